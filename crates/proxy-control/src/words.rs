//! The words of the control protocol.

use model::service::STICKY_NAME_LENGTH_MAX;
pub use model::service::Sticky;
use model::{ReleaseNumber, ServiceName};
use serde::{Deserialize, Serialize};

/// The most targets beside the active one that a service's requests may be split over.
pub const SHARES_MAX: usize = 4;

/// A task of a service on this host: where it listens on loopback, and which release it runs. Both together are its
/// identity, since a port is given to another task one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The release.
    pub release: ReleaseNumber,
}

/// What a service's tasks speak. Clients may speak HTTP/1.1 or HTTP/2 either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge, in clear text (RFC 9113, section 3.3), as gRPC servers do.
    H2c,
}

/// A part of a service's requests that goes to another target than the active one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Where they go.
    pub target: Target,
    /// How many of a hundred.
    pub percent: u8,
}

/// Where a service's requests go from now on, in whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The service.
    pub service: ServiceName,
    /// The port on which its clients find it.
    pub stable_port: u16,
    /// Who gets the requests.
    pub active: Target,
    /// What its tasks speak.
    #[serde(default)]
    pub protocol: Protocol,
    /// Who else gets some, for a canary.
    #[serde(default)]
    pub split: Vec<Share>,
    /// Whether clients stay on their side of the split.
    #[serde(default)]
    pub sticky: Option<Sticky>,
}

/// Why a [`Point`] is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPoint {
    /// Nobody can listen or be reached there.
    #[error("port 0 is no port")]
    PortZero,
    /// The proxy would send requests to itself.
    #[error("port {0} is the service's stable port and a target's at once")]
    Loop(u16),
    /// Too many sides.
    #[error("a split has at most {SHARES_MAX} shares")]
    SharesMax,
    /// More than everything.
    #[error("the shares of a split come to {0} percent; at most 100 are there")]
    Percent(u32),
    /// Which share it belongs to would be left to chance.
    #[error("the target on port {0} takes part twice")]
    Twice(u16),
    /// A header or cookie that no client could send.
    #[error(
        "{0:?} names no header or cookie: use 1 to {STICKY_NAME_LENGTH_MAX} letters, digits, '-' and '_'"
    )]
    StickyName(String),
}

impl Point {
    /// Every target that takes part, the active one first.
    pub fn targets(&self) -> impl Iterator<Item = Target> + '_ {
        std::iter::once(self.active).chain(self.split.iter().map(|share| share.target))
    }

    /// Checks what the types alone cannot.
    pub fn validate(&self) -> Result<(), InvalidPoint> {
        if self.stable_port == 0 || self.targets().any(|target| target.port == 0) {
            return Err(InvalidPoint::PortZero);
        }
        if self.targets().any(|target| target.port == self.stable_port) {
            return Err(InvalidPoint::Loop(self.stable_port));
        }
        if self.split.len() > SHARES_MAX {
            return Err(InvalidPoint::SharesMax);
        }
        let percent = self.split.iter().map(|share| u32::from(share.percent)).sum();
        if percent > 100 {
            return Err(InvalidPoint::Percent(percent));
        }
        for (index, target) in self.targets().enumerate() {
            if self.targets().take(index).any(|earlier| earlier == target) {
                return Err(InvalidPoint::Twice(target.port));
            }
        }
        match &self.sticky {
            Some(sticky) if !sticky.is_valid() => {
                Err(InvalidPoint::StickyName(sticky.name().chars().take(80).collect()))
            }
            _ => Ok(()),
        }
    }
}

/// What becomes of a service's requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are answered.
    #[default]
    Serve,
    /// They are held, as many and as long as the proxy's limits allow; then 503 with Retry-After.
    Pause,
    /// They are answered with 503.
    Maintenance,
}

/// Who is about to be exchanged for another task, since the two may not run at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The service; one that is not known has nothing to do.
    pub service: ServiceName,
    /// The task that will end.
    pub target: Target,
    /// How long requests are held at most, in milliseconds.
    pub ms_max: u64,
    /// How long upgraded connections may go on, in milliseconds.
    pub tunnels_ms_max: u64,
}

/// What a proxy is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Sends a service's requests to other targets; those that get none any more drain and stay known. Answered by
    /// [`Reply::Done`].
    Point(Point),
    /// Asks how much a target that gets no requests any more still has to do, and sets a limit for its upgraded
    /// connections. Answered by [`Reply::Draining`].
    Drain {
        /// The service.
        service: ServiceName,
        /// The target; one that is not known has nothing to do.
        target: Target,
        /// How long upgraded connections (WebSockets) may go on, in milliseconds from now; the first limit that is
        /// set for a target's drain holds.
        tunnels_ms_max: u64,
    },
    /// Holds a service's requests, as [`Mode::Pause`] does, since its only task is about to be exchanged for another one;
    /// ends with the next [`Command::Point`], or once `ms_max` have gone by since it was said first. Answered by
    /// [`Reply::Draining`] with what the task still has to do. Nothing is held for a target that isn't the active one.
    Exchange(Exchange),
    /// Changes what becomes of a service's requests. Answered by [`Reply::Done`].
    Mode {
        /// The service.
        service: ServiceName,
        /// How.
        mode: Mode,
    },
    /// Gives a service's port up and forgets it. Answered by [`Reply::Done`].
    Remove {
        /// The service; one that is not known is gone already.
        service: ServiceName,
    },
    /// Asks for everything. Answered by [`Reply::Status`].
    Status,
    /// Asks for the listening sockets, as a newer proxy. Answered by [`Reply::Handover`], and a message with a socket
    /// for each service in turn; see [`crate::handover`].
    TakeOver,
    /// Says, after [`Command::TakeOver`] on the same connection, that the newer proxy accepts connections. Answered by
    /// [`Reply::Done`]. From then on the older one accepts none, ends once its own have ended, and takes commands on
    /// this connection alone.
    Taken,
}

/// What a proxy answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// It is so, and on the disk.
    Done,
    /// What a target still has to do.
    Draining {
        /// Requests whose response has not ended.
        in_flight: u64,
        /// Upgraded connections that are open.
        tunnels: u64,
    },
    /// Every service.
    Status {
        /// In the order of their names.
        services: Vec<ServiceStatus>,
    },
    /// Every service whose listening socket follows, and its mode.
    Handover {
        /// In the order of the sockets.
        services: Vec<(Point, Mode)>,
    },
    /// It was not done, since a newer proxy takes over at this moment: to be repeated, on a new connection.
    Busy,
    /// It was not done.
    Refused {
        /// Why, in words.
        reason: String,
    },
}

/// Where a target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It gets the requests that no share takes.
    Active,
    /// It gets a share.
    Share,
    /// It gets none any more, and has some to end.
    Draining,
    /// It gets none and has none; an instant swap back is possible while its task runs.
    Warm,
}

/// One target of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// Which.
    pub target: Target,
    /// Where it stands.
    pub standing: Standing,
    /// Requests whose response has not ended.
    pub in_flight: u64,
    /// Upgraded connections that are open.
    pub tunnels: u64,
    /// Requests that ended there.
    #[serde(default)]
    pub ended: u64,
    /// Those of them that it answered with an error of its own (5xx), or not at all.
    #[serde(default)]
    pub errors: u64,
}

/// One service, as the proxy has it. The counts began when the proxy's process did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Where its requests go.
    pub point: Point,
    /// What becomes of them.
    pub mode: Mode,
    /// Its targets, the active one first, then as they came.
    pub targets: Vec<TargetStatus>,
    /// Requests that were sent to a target.
    pub requests: u64,
    /// Requests that the proxy itself had to answer with an error.
    pub failures: u64,
    /// How often another target became the active one.
    pub swaps: u64,
    /// Requests that were held by a pause.
    pub held: u64,
    /// Requests that a pause holds now.
    pub held_now: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(port: u16) -> Target {
        Target {
            port,
            release: ReleaseNumber(i64::from(port)),
        }
    }

    fn point(split: &[(u16, u8)]) -> Point {
        let share = |&(port, percent)| Share {
            target: target(port),
            percent,
        };
        Point {
            service: "web".parse().unwrap(),
            stable_port: 80,
            active: target(3000),
            protocol: Protocol::Http1,
            split: split.iter().map(share).collect(),
            sticky: None,
        }
    }

    #[test]
    fn a_split_gives_away_no_more_than_there_is_and_nothing_twice() {
        assert_eq!(point(&[(3001, 60), (3002, 40)]).validate(), Ok(()));
        assert_eq!(
            point(&[(3001, 60), (3002, 41)]).validate(),
            Err(InvalidPoint::Percent(101))
        );
        assert_eq!(point(&[(3000, 1)]).validate(), Err(InvalidPoint::Twice(3000)));
        assert_eq!(point(&[(80, 1)]).validate(), Err(InvalidPoint::Loop(80)));
        assert_eq!(point(&[(0, 1)]).validate(), Err(InvalidPoint::PortZero));
        let many: Vec<_> = (1..=5).map(|port| (4000 + port, 1)).collect();
        assert_eq!(point(&many).validate(), Err(InvalidPoint::SharesMax));
    }

    #[test]
    fn a_sticky_name_is_one_that_a_client_can_send() {
        let mut point = point(&[]);
        for bad in ["", "a b", "a;b", &"a".repeat(65)] {
            point.sticky = Some(Sticky::Cookie(bad.to_owned()));
            assert!(
                matches!(point.validate(), Err(InvalidPoint::StickyName(_))),
                "{bad:?}"
            );
        }
        point.sticky = Some(Sticky::Header("x-user".to_owned()));
        assert_eq!(point.validate(), Ok(()));
    }

    #[test]
    fn the_lines_on_the_wire_are_these() {
        let line = serde_json::to_string(&Command::Drain {
            service: "web".parse().unwrap(),
            target: target(3000),
            tunnels_ms_max: 1000,
        });
        assert_eq!(
            line.unwrap(),
            r#"{"command":"drain","service":"web","target":{"port":3000,"release":3000},"tunnels_ms_max":1000}"#
        );
        let shortest = r#"{"command":"point","service":"web","stable_port":80,"active":{"port":3000,"release":3000},"new":1}"#;
        assert_eq!(
            serde_json::from_str::<Command>(shortest).unwrap(),
            Command::Point(point(&[]))
        );
    }
}
