//! Who stands in front of the task. Each has one thread.

use crate::processes::{argument, listens, runtime, start, start_program};
use crate::steer::point;
use anyhow::Context as _;
use local_services::{Child, free_port};
use proxy::{Config, Service};
use proxy_control::Client;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

const HAPROXY: &str = "/usr/sbin/haproxy";
const NGINX: &str = "/usr/sbin/nginx";
const CADDY: &str = "/usr/bin/caddy";

/// One side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Ours,
    HaProxy,
    Nginx,
    Caddy,
    /// Nobody: the task itself is asked.
    Direct,
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Ours => "starling",
            Self::HaProxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Direct => "direct",
        })
    }
}

/// A running side and its port.
pub struct Running {
    pub child: Option<Child>,
    pub port: u16,
}

impl Side {
    /// All of them, ours first, as reports take them.
    pub const ALL: [Self; 5] = [Self::Ours, Self::HaProxy, Self::Nginx, Self::Caddy, Self::Direct];

    /// Starts it in front of the task on `task`.
    pub async fn start(self, folder: &Path, task: u16) -> anyhow::Result<Running> {
        if self == Self::Direct {
            return Ok(Running {
                child: None,
                port: task,
            });
        }
        let port = free_port()?;
        let folder = folder.join(self.to_string());
        // What an earlier run left there speaks of another port.
        if folder.exists() {
            fs_err::remove_dir_all(&folder)?;
        }
        fs_err::create_dir_all(&folder)?;
        let log = folder.join("log");
        let mut child = match self {
            Self::Direct | Self::Ours => {
                let child = start_ours(&folder).await?;
                Client::new(control_socket(&folder))
                    .point(point(port, task, 1))
                    .await?;
                child
            }
            Self::HaProxy => {
                let config = folder.join("haproxy.cfg");
                fs_err::write(&config, haproxy(port, task))?;
                start_program(HAPROXY, &["-f", text(&config)?], &log)?
            }
            Self::Nginx => {
                let config = folder.join("nginx.conf");
                fs_err::write(&config, nginx(&folder, port, task))?;
                start_program(NGINX, &["-p", text(&folder)?, "-c", text(&config)?], &log)?
            }
            Self::Caddy => {
                let config = folder.join("Caddyfile");
                fs_err::write(&config, caddy(port, task))?;
                // Go's own variable, through env since the environment is this process's.
                let arguments = [
                    "GOMAXPROCS=1",
                    CADDY,
                    "run",
                    "--adapter",
                    "caddyfile",
                    "--config",
                    text(&config)?,
                ];
                start_program("/usr/bin/env", &arguments, &log)?
            }
        };
        listens(&mut child, port).await?;
        Ok(Running {
            child: Some(child),
            port,
        })
    }
}

/// Where our proxy in a folder takes commands.
pub fn control_socket(folder: &Path) -> PathBuf {
    folder.join("proxy/control.sock")
}

/// Starts our proxy, which takes over from one that runs in the same folder; it is told nothing yet.
pub async fn start_ours(folder: &Path) -> anyhow::Result<Child> {
    let ready = folder.join("ready");
    let _ = fs_err::remove_file(&ready);
    let mut child = start(folder, "proxy", &[folder.display().to_string()])?;
    let limit = std::time::Duration::from_secs(20);
    child.wait_until(limit, async || ready.exists()).await?;
    Ok(child)
}

/// Plays our proxy, in the folder of the arguments.
pub fn play(arguments: &[String]) -> anyhow::Result<()> {
    let folder: PathBuf = argument(arguments, 0)?;
    let mut config = Config::new(folder.join("proxy"));
    config.listen = Ipv4Addr::LOCALHOST.into();
    config.threads = 1;
    runtime()?.block_on(async {
        let service = Service::start(config).await?;
        fs_err::write(folder.join("ready"), "")?;
        Ok(service.run(CancellationToken::new()).await?)
    })
}

fn haproxy(port: u16, task: u16) -> String {
    format!(
        "global\n  nbthread 1\n  maxconn 4000\n\
         defaults\n  mode http\n  option forwardfor\n  option http-keep-alive\n  http-reuse always\n\
         \x20 timeout client 60s\n  timeout server 60s\n  timeout connect 2s\n\
         frontend web\n  bind 127.0.0.1:{port}\n  default_backend task\n\
         backend task\n  server task 127.0.0.1:{task}\n"
    )
}

fn nginx(folder: &Path, port: u16, task: u16) -> String {
    let folder = folder.display();
    format!(
        "daemon off; master_process off; user root; error_log stderr; pid {folder}/nginx.pid;\n\
         events {{ worker_connections 4000; }}\n\
         http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {folder}; proxy_temp_path {folder};\n\
           fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};\n\
           upstream task {{ server 127.0.0.1:{task}; keepalive 256; keepalive_requests 100000000; }}\n\
           server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://task; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_set_header Host $host;\n\
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_buffering off; }} }} }}\n"
    )
}

fn caddy(port: u16, task: u16) -> String {
    format!(
        "{{\n  admin off\n  auto_https off\n}}\n\
         http://127.0.0.1:{port}, http://web:{port} {{\n  reverse_proxy 127.0.0.1:{task}\n}}\n"
    )
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the folder's name is UTF-8")
}
