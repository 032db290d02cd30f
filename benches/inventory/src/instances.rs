//! A hundred thousand registered instances, and what they say.

use bench_postgres::Server;
use database::builds::Beat;
use database::{Builds, Limits};
use model::{InstanceHealth, InstanceId};
use uuid::Uuid;

/// How many there are.
pub const INSTANCES: u32 = 100_000;

/// A server whose builds database has all of them.
pub async fn registered() -> anyhow::Result<(Server, Builds)> {
    let server = Server::start().await?;
    let builds = Builds::connect(server.url(), Limits::default()).await?;
    builds.migrate().await?;
    let ids = format!(
        "SELECT lpad(to_hex(number), 32, '0')::uuid AS id, number FROM generate_series(1, {INSTANCES}) AS number"
    );
    server
        .sql(&format!(
            "INSERT INTO inventory (id, name, kind, region, zone, address, labels, secret_hash)
             SELECT id, 'instance-' || number, 'EXTERNAL', 'us-east-1', 'us-east-1a', '10.0.0.1',
                    '{{\"region\": \"us-east-1\", \"zone\": \"us-east-1a\", \"role\": \"web\"}}',
                    sha256(number::text::bytea)
             FROM ({ids}) AS ids;
             INSERT INTO inventory_heartbeats (instance, registration) SELECT id, 1 FROM ({ids}) AS ids"
        ))
        .await?;
    server.sql("VACUUM ANALYZE").await?;
    Ok((server, builds))
}

/// What instance `number`, counted from 0, says in its heartbeat `sequence`.
pub fn beat(number: u32, sequence: u64, status: InstanceHealth) -> anyhow::Result<Beat> {
    Ok(Beat {
        instance: InstanceId(Uuid::from_u128(u128::from(number % INSTANCES) + 1)),
        registration: 1,
        sequence: Some(sequence),
        status: Some(status),
        code_version: Some("release-v1.4.2".parse()?),
        configuration_version: Some("2026-11-26".parse()?),
    })
}

/// Updates of heartbeats since the server's start, and those that wrote no index.
pub async fn updates(server: &Server) -> anyhow::Result<(f64, f64)> {
    // Backends tell of what they did once a second at the most.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let of = |column: &str| {
        format!("SELECT {column} FROM pg_stat_user_tables WHERE relname = 'inventory_heartbeats'")
    };
    let all = server.number(&of("n_tup_upd")).await?;
    Ok((all, server.number(&of("n_tup_hot_upd")).await?))
}
