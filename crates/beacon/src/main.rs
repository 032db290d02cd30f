//! Beacon: the smallest service worth deploying. Asked over HTTP, it says what it is.
//!
//! | path | answer |
//! |---|---|
//! | `/` | one line for people |
//! | `/healthz` | `ok`, as long as the process can answer at all and `BEACON_ILL` is not set |
//! | `/version` | JSON: the commit it was built from, and every `STARLING_…` variable that it was started with |
//!
//! It listens on `127.0.0.1:$PORT`, or on the address given as its only argument. It has no dependencies, so that
//! `rustc --edition 2024 -O -o beacon src/main.rs` alone builds it within seconds. It keeps nothing and has nothing
//! to finish, so SIGTERM may end it at any moment.
//!
//! A client can hold at most one of its [`THREADS`], one buffer of [`REQUEST_LENGTH_MAX`], for [`PATIENCE`].

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use std::{env, process, thread};

/// How many clients are answered at once; the kernel's queue holds the next ones.
const THREADS: usize = 16;
/// The longest head of a request, in bytes.
const REQUEST_LENGTH_MAX: usize = 8 * 1024;
/// How long one client may take to say what it wants, and again to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The commit that this program was built from; Starling tells it to the build's command.
const COMMIT: Option<&str> = option_env!("STARLING_COMMIT");

struct Response {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

fn main() {
    let Some(address) = env::args()
        .nth(1)
        .or_else(|| Some(format!("127.0.0.1:{}", env::var("PORT").ok()?)))
    else {
        eprintln!("beacon: set PORT, or give an address such as 127.0.0.1:8080");
        process::exit(2);
    };
    match TcpListener::bind(&address) {
        Ok(listener) => serve(&listener),
        Err(error) => {
            eprintln!("beacon: failed to listen on {address}: {error}");
            process::exit(1);
        }
    }
}

/// Answers for ever. Every thread accepts for itself, so there are never more than [`THREADS`] connections.
fn serve(listener: &TcpListener) {
    let answer_for_ever = || {
        loop {
            // A client that broke off is its own affair; an accept that fails (out of descriptors) may work later.
            if listener.accept().and_then(|(stream, _)| answer(stream)).is_err() {
                thread::sleep(Duration::from_millis(10));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(answer_for_ever);
        }
    });
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let response = match read_head(&mut stream)? {
        Some(head) => respond(&head, environment()),
        None => text("431 Request Header Fields Too Large", "the request is too long\n"),
    };
    let Response {
        status,
        content_type,
        body,
    } = response;
    let length = body.len();
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
             cache-control: no-store\r\nconnection: close\r\n\r\n{body}"
        )
        .as_bytes(),
    )
}

/// Reads until the empty line that ends a request's head; `None` when it is longer than the buffer. The deadline is
/// the whole head's: a client that sends a byte a second is cut off like one that sends nothing.
fn read_head(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = [0; REQUEST_LENGTH_MAX];
    let mut length = 0;
    while length < buffer.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer[length..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => length += read,
        }
        if buffer[..length].windows(4).any(|end| end == b"\r\n\r\n") {
            return Ok(Some(String::from_utf8_lossy(&buffer[..length]).into_owned()));
        }
    }
    Ok(None)
}

/// The process's variables, less those that are no text.
fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn respond(head: &str, environment: impl Iterator<Item = (String, String)>) -> Response {
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    match (method, path) {
        ("GET", "/") => text(
            "200 OK",
            &format!("beacon, commit {}\n", COMMIT.unwrap_or("unknown")),
        ),
        ("GET", "/healthz") => health(environment),
        ("GET", "/version") => Response {
            status: "200 OK",
            content_type: "application/json",
            body: version(environment),
        },
        ("GET", _) => text("404 Not Found", "ask for /, /healthz or /version\n"),
        _ => text("405 Method Not Allowed", "only GET is answered\n"),
    }
}

/// A beacon that is told to be ill is, so that a demo has a bad release to take back.
fn health(mut environment: impl Iterator<Item = (String, String)>) -> Response {
    if environment.any(|(name, _)| name == "BEACON_ILL") {
        return text("500 Internal Server Error", "BEACON_ILL is set\n");
    }
    text("200 OK", "ok\n")
}

/// `STARLING_RELEASE=3` becomes `"release":"3"`, and so on, in the order of names.
fn version(environment: impl Iterator<Item = (String, String)>) -> String {
    let mut fields: Vec<(String, String)> = environment
        .filter_map(|(name, value)| Some((name.strip_prefix("STARLING_")?.to_lowercase(), value)))
        .filter(|(name, _)| name != "commit")
        .collect();
    fields.sort();
    let mut json = format!("{{\"commit\":{}", COMMIT.map_or("null".to_owned(), quoted));
    for (name, value) in fields {
        json.push_str(&format!(",{}:{}", quoted(&name), quoted(&value)));
    }
    json + "}\n"
}

/// A JSON string (RFC 8259, section 7).
fn quoted(text: &str) -> String {
    let mut json = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            plain => json.push(plain),
        }
    }
    json + "\""
}

fn text(status: &'static str, body: &str) -> Response {
    Response {
        status,
        content_type: "text/plain; charset=utf-8",
        body: body.to_owned(),
    }
}

#[cfg(test)]
mod tests;
