//! One service's desired state in a region: the value of its single etcd key. Its size does not depend on how many
//! hosts there are: hosts have an order, and a cursor says how many of them run a release.

use crate::deployment::Directive;
use crate::labels::Placed;
use crate::rollout::Order;
use crate::{
    ArtifactId, Configuration, DeploymentId, DesiredService, Epoch, ReleaseNumber, Selector, ServiceName,
    ServiceSpec,
};
use serde::{Deserialize, Serialize};

/// The most layers of one service.
pub const LAYERS_MAX: usize = 8;

/// What a region should run of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionService {
    /// Which service.
    pub service: ServiceName,
    /// Grows with every change of this value.
    pub epoch: Epoch,
    /// Newest first, at least one and at most [`LAYERS_MAX`]. A host runs the first that is for it and that its turn has
    /// come for; the first that is for it is staged there in any case.
    pub layers: Vec<Layer>,
}

/// One release of a service, and who runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Which deployment asked for it.
    pub deployment: DeploymentId,
    /// The service's epoch when it did. Hosts are told this one, so that a cursor that moves is no news to those that
    /// it does not concern.
    pub epoch: Epoch,
    /// The release's number.
    pub release: ReleaseNumber,
    /// The release's bytes.
    pub artifact: ArtifactId,
    /// How to run them.
    pub spec: ServiceSpec,
    /// With which configuration.
    #[serde(default)]
    pub configuration: Configuration,
    /// For which hosts; for all without a condition.
    #[serde(default)]
    pub selector: Selector,
    /// How many of them have their turn.
    pub cursor: Cursor,
    /// Whether the others start it beside what they run, and send it no request until then.
    #[serde(default)]
    pub warm: bool,
}

/// How far a release has come along the order of a region's hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// In which order.
    pub order: Order,
    /// So many hosts have their turn; absent, all have it, and whoever comes later too. Hosts that run the release
    /// already keep it, and count; below their number nobody else gets it.
    pub hosts: Option<u64>,
}

impl Cursor {
    /// Nobody's turn.
    pub const NOBODY: Self = Self {
        order: Order::Hash,
        hosts: Some(0),
    };

    /// Everybody's turn.
    pub const EVERYBODY: Self = Self {
        order: Order::Hash,
        hosts: None,
    };
}

impl Layer {
    /// Whether a host that runs one of them has nothing to change to run the other: a rollback costs those nothing
    /// that never left.
    pub fn runs_the_same(&self, other: &Self) -> bool {
        self.artifact == other.artifact
            && self.spec == other.spec
            && self.configuration == other.configuration
    }
}

impl RegionService {
    /// The newest layer.
    pub fn newest(&self) -> Option<&Layer> {
        self.layers.first()
    }

    /// What a host of these labels is to do, for which it is the newest layer's turn, or is not yet; `None` when no
    /// layer is for it.
    pub fn order(&self, labels: &Placed, admitted: bool) -> Option<DesiredService> {
        let (newest, older) = self.layers.split_first()?;
        let older = older.iter().find(|layer| layer.selector.matches(labels));
        let older = older.map(|layer| self.ordered(layer, Directive::Activate));
        if !newest.selector.matches(labels) {
            return older;
        }
        if admitted {
            return Some(self.ordered(newest, Directive::Activate));
        }
        let until_then = if newest.warm {
            Directive::Warm
        } else {
            Directive::Stage
        };
        Some(DesiredService {
            fallback: older.map(Box::new),
            ..self.ordered(newest, until_then)
        })
    }

    fn ordered(&self, layer: &Layer, directive: Directive) -> DesiredService {
        DesiredService {
            service: self.service.clone(),
            epoch: layer.epoch,
            deployment: layer.deployment,
            release: layer.release,
            artifact: layer.artifact,
            directive,
            spec: layer.spec.clone(),
            configuration: layer.configuration.clone(),
            fallback: None,
        }
    }
}
