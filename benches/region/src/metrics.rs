//! Asking a role over HTTP what it counts.

use anyhow::Context as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take and be.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LENGTH_MAX: u64 = 1 << 20;

/// The sum of a metric's values at a role, of those that have all of the labels, each as `name="value"`; 0 when it was
/// never counted.
///
/// # Errors
/// When the role can't be asked.
pub async fn scrape(role: SocketAddr, metric: &str, labels: &[&str]) -> anyhow::Result<f64> {
    let text = get(role, "/metrics").await?;
    let lines = text
        .lines()
        .filter(|line| labels.iter().all(|label| line.contains(label)));
    Ok(lines.filter_map(|line| value_of(line, metric)).sum())
}

/// Whether a role answers with 200.
pub async fn answers(role: SocketAddr, path: &str) -> bool {
    get(role, path)
        .await
        .is_ok_and(|text| text.starts_with("HTTP/1.0 200") || text.starts_with("HTTP/1.1 200"))
}

async fn get(role: SocketAddr, path: &str) -> anyhow::Result<String> {
    let exchange = async {
        let mut connection = TcpStream::connect(role).await?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: {role}\r\n\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        connection
            .take(ANSWER_LENGTH_MAX)
            .read_to_string(&mut text)
            .await?;
        std::io::Result::Ok(text)
    };
    let exchange = tokio::time::timeout(ANSWER_LIMIT, exchange);
    let answer = exchange.await.map_err(std::io::Error::from).flatten();
    answer.with_context(|| format!("failed to ask {role} for {path}"))
}

/// The value in a line of Prometheus' text format, if it is this metric's.
fn value_of(line: &str, metric: &str) -> Option<f64> {
    let rest = line.strip_prefix(metric)?;
    if !rest.starts_with(['{', ' ']) {
        return None;
    }
    rest.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name_with_or_without_labels() {
        assert_eq!(value_of("hosts 8", "hosts"), Some(8.0));
        assert_eq!(value_of(r#"bytes{source="a b"} 1.5e3"#, "bytes"), Some(1_500.0));
        assert_eq!(value_of("hosts_alive 8", "hosts"), None);
        assert_eq!(value_of("# HELP hosts 8", "hosts"), None);
    }
}
