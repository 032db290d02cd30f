//! The list of targets, by who wrote the bytes.

mod artifacts;
mod documents;
mod hosts;
mod values;

use crate::Target;

/// Every target.
pub const TARGETS: &[Target] = &[
    // Anybody who reaches a node's port.
    Target {
        name: "shown-certificate",
        read: swarm::fuzzing::shown_certificate,
        examples: swarm::fuzzing::shown_certificate_examples,
    },
    Target {
        name: "hello",
        read: swarm::fuzzing::hello,
        examples: swarm::fuzzing::hello_examples,
    },
    // A host of the region, or a manager.
    Target {
        name: "control",
        read: swarm::fuzzing::control,
        examples: swarm::fuzzing::control_examples,
    },
    Target {
        name: "bulk-request",
        read: swarm::fuzzing::bulk_request,
        examples: swarm::fuzzing::bulk_request_examples,
    },
    Target {
        name: "bulk-blocks",
        read: swarm::fuzzing::bulk_blocks,
        examples: swarm::fuzzing::bulk_blocks_examples,
    },
    Target {
        name: "piece-set",
        read: hosts::piece_set,
        examples: hosts::piece_set_examples,
    },
    Target {
        name: "host-request",
        read: hosts::request,
        examples: hosts::request_examples,
    },
    Target {
        name: "host-response",
        read: hosts::response,
        examples: hosts::response_examples,
    },
    Target {
        name: "manager-request",
        read: hosts::manager_request,
        examples: hosts::manager_request_examples,
    },
    Target {
        name: "manager-response",
        read: hosts::manager_response,
        examples: hosts::manager_response_examples,
    },
    // A store.
    Target {
        name: "manifest",
        read: artifacts::manifest,
        examples: artifacts::manifest_examples,
    },
    Target {
        name: "signed-manifest",
        read: artifacts::signed_manifest,
        examples: artifacts::signed_manifest_examples,
    },
    Target {
        name: "provenance-envelope",
        read: artifacts::envelope,
        examples: artifacts::envelope_examples,
    },
    Target {
        name: "provenance-statement",
        read: artifacts::statement,
        examples: artifacts::statement_examples,
    },
    // A person, a repository, or etcd.
    Target {
        name: "certificate-text",
        read: documents::certificate,
        examples: documents::certificate_examples,
    },
    Target {
        name: "desired-service",
        read: documents::desired_service,
        examples: documents::desired_service_examples,
    },
    Target {
        name: "project-file",
        read: documents::project_file,
        examples: documents::project_file_examples,
    },
];
