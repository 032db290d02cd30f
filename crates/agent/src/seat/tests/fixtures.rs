//! What is written down of a process that nobody starts.

use super::super::{Launch, Terms};
use super::artifact;
use model::DesiredService;
use tasks::task::LogFile;

pub fn launch(order: &DesiredService, port: u16, number: u64) -> Launch {
    let id = serde_json::from_value(serde_json::json!(format!("launch-{number}"))).unwrap();
    let log = LogFile {
        path: "log".into(),
        length_max: 1,
    };
    assert_eq!(order.artifact, artifact(order.release.0));
    Launch {
        id,
        log,
        terms: Terms {
            release: order.release,
            artifact: order.artifact,
            port,
            port_variable: "PORT".to_owned(),
            health: order.spec.health.clone(),
            stop_timeout_seconds: 1,
            overlap: order.spec.overlap,
            container: false,
            isolation: tasks::task::isolation::Isolation::default(),
            limits: order.spec.limits,
        },
    }
}

pub fn process(number: u64) -> tasks::task::Record {
    let process = serde_json::json!({
        "pid": number, "start_ticks": number, "boot": "b", "log": { "path": "log", "length_max": 1 }
    });
    serde_json::from_value(process).unwrap()
}
