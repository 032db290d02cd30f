//! What a runtime is told of a container. Pure.

use super::ContainerSpec;
use crate::task::LaunchId;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType};
use std::collections::HashMap;
use std::path::PathBuf;

const LAUNCH: &str = "starling.launch";
const AGENT: &str = "starling.agent";
const PORT: &str = "starling.port";

/// The label of the container with this mark.
pub(super) fn launch_label(launch: &LaunchId) -> String {
    format!("{LAUNCH}={}", launch.as_str())
}

/// The labels of every container that an agent started for one port.
pub(super) fn place_labels(agent: &str, port: u16) -> Vec<String> {
    vec![format!("{AGENT}={agent}"), format!("{PORT}={port}")]
}

/// A container of this image.
pub(super) fn body(spec: &ContainerSpec, image: &str) -> ContainerCreateBody {
    let labels = place_labels(spec.containers.agent(), spec.port).into_iter();
    let labels = labels.chain([launch_label(&spec.launch)]).filter_map(|label| {
        let (name, value) = label.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    let variables = spec
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    ContainerCreateBody {
        image: Some(image.to_owned()),
        user: spec.user.map(|user| format!("{user}:{user}")),
        env: Some(variables.collect()),
        labels: Some(labels.collect()),
        host_config: Some(host(spec)),
        ..ContainerCreateBody::default()
    }
}

fn host(spec: &ContainerSpec) -> HostConfig {
    let bind = |folder: &PathBuf, read_only| Mount {
        typ: Some(MountType::BIND),
        source: Some(folder.display().to_string()),
        target: Some(folder.display().to_string()),
        read_only: Some(read_only),
        ..Mount::default()
    };
    let readable = spec.readable.iter().map(|folder| bind(folder, true));
    let mounts = readable.chain([bind(&spec.folder, false)]);
    let limits = &spec.limits;
    HostConfig {
        network_mode: Some("host".to_owned()),
        mounts: Some(mounts.collect()),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        memory: limits
            .memory
            .map(|memory| i64::try_from(memory.0).unwrap_or(i64::MAX)),
        // A billionth of a processor is the unit of the Docker API.
        nano_cpus: limits.cpus.map(|cpus| i64::from(cpus.thousandths()) * 1_000_000),
        pids_limit: limits.processes.map(i64::from),
        // Read by the agent, line by line; the runtime keeps the newest part, in case the agent is away.
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([(
                "max-size".to_owned(),
                format!("{}k", spec.log.length_max.div_ceil(1024)),
            )])),
        }),
        ..HostConfig::default()
    }
}
