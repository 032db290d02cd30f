use super::*;

fn get(path: &str, environment: &[(&str, &str)]) -> Response {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    respond(
        &format!("GET {path} HTTP/1.1\r\n\r\n"),
        environment.iter().map(owned),
    )
}

/// Sends `request` over a real connection and returns everything that came back.
fn exchange(request: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = thread::spawn(move || answer(listener.accept().unwrap().0));
    client.write_all(request).unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    server.join().unwrap().unwrap();
    reply
}

#[test]
fn the_version_names_what_starling_told_the_process_and_nothing_else() {
    let environment = [
        ("STARLING_RELEASE", "3"),
        ("HOME", "/root"),
        ("STARLING_HOST", "a\"\\\n"),
    ];
    let response = get("/version", &environment);
    assert_eq!(response.status, "200 OK");
    let commit = COMMIT.map_or("null".to_owned(), quoted);
    let expected = format!(r#"{{"commit":{commit},"host":"a\"\\\u000a","release":"3"}}"#);
    assert_eq!(response.body.trim_end(), expected);
}

#[test]
fn health_is_asked_with_get_and_a_query_is_ignored() {
    assert_eq!(get("/healthz?from=agent", &[]).status, "200 OK");
    let ill = get("/healthz", &[("BEACON_ILL", "1")]);
    assert_eq!(ill.status, "500 Internal Server Error");
    assert_eq!(get("/nothing", &[]).status, "404 Not Found");
    assert_eq!(
        respond("POST /healthz HTTP/1.1\r\n\r\n", environment()).status,
        "405 Method Not Allowed"
    );
    assert_eq!(respond("", environment()).status, "405 Method Not Allowed");
}

#[test]
fn a_request_over_a_connection_is_answered_in_full() {
    let reply = exchange(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert!(reply.ends_with("content-length: 3\r\ncache-control: no-store\r\nconnection: close\r\n\r\nok\n"));
}

#[test]
fn a_head_that_never_ends_is_refused_once_the_buffer_is_full() {
    let reply = exchange(&[b'x'; REQUEST_LENGTH_MAX]);
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
}
