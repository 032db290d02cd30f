//! What a proxy changes in the heads that pass it: what belongs to one connection only is taken out, and the target is
//! told who asked.

use hyper::header::{
    CONNECTION, Entry, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request;
use hyper::http::uri::PathAndQuery;
use hyper::{Uri, Version};
use std::net::IpAddr;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// The longest chain of addresses that is passed on, in bytes: what is longer is a client's invention, and is begun anew.
const CHAIN_LENGTH_MAX: usize = 2_048;

/// Who asks, as targets are told.
#[derive(Debug)]
pub(crate) struct Client {
    address: IpAddr,
    /// The address as a header's value, made once a connection.
    value: Option<HeaderValue>,
}

impl Client {
    pub(crate) fn new(address: IpAddr) -> Self {
        // Clients of a dual-stack socket come with mapped addresses.
        let address = address.to_canonical();
        Self {
            address,
            value: HeaderValue::try_from(address.to_string()).ok(),
        }
    }
}

/// Prepares a request's head for a target. `upgrade` is what [`upgrade`] said of it.
pub(crate) fn for_target(head: &mut request::Parts, client: &Client, upgrade: Option<&HeaderValue>) {
    // The Host of HTTP/2 is in the URI (RFC 9113, section 8.3.1).
    if !head.headers.contains_key(HOST)
        && let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(HOST, host);
    }
    let trailers = has_token(&head.headers, &TE, "trailers");
    strip(&mut head.headers);
    if trailers {
        head.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        head.headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, protocol.clone());
    }
    tell_of_client(&mut head.headers, client);
}

/// What is asked for, as HTTP/1.1 says it of itself (RFC 9112, section 3.2.1). `OPTIONS *` is no path, and stays as it is.
pub(crate) fn path(uri: &Uri) -> &str {
    match uri.path_and_query().map_or("", PathAndQuery::as_str) {
        "" => "/",
        path => path,
    }
}

/// Puts the request's URI and version as HTTP/2 has them, with the host in the URI.
pub(crate) fn address_http2(head: &mut request::Parts) {
    head.version = Version::HTTP_2;
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let uri = Uri::builder()
        .scheme("http")
        .authority(host.unwrap_or("localhost"))
        .path_and_query(path(&head.uri));
    if let Ok(uri) = uri.build() {
        head.uri = uri;
    }
    head.headers.remove(HOST);
}

/// Prepares a response's headers for the client. Those of a switched protocol name it.
pub(crate) fn for_client(headers: &mut HeaderMap, switched: bool) {
    let protocol = switched.then(|| headers.remove(UPGRADE)).flatten();
    strip(headers);
    if let Some(protocol) = protocol {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// The protocol that an HTTP/1.1 request asks to switch to. HTTP/2 in clear text is asked for by prior knowledge alone
/// (RFC 9113, section 3.1), so that offer is passed over.
pub(crate) fn upgrade(head: &request::Parts) -> Option<HeaderValue> {
    let protocol = head.headers.get(UPGRADE)?;
    let asked = head.version == Version::HTTP_11 && has_token(&head.headers, &CONNECTION, "upgrade");
    (asked && !protocol.as_bytes().eq_ignore_ascii_case(b"h2c")).then(|| protocol.clone())
}

/// Takes out what is for one connection only (RFC 9110, section 7.6.1).
fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        headers.remove(CONNECTION);
        for name in named {
            headers.remove(name);
        }
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

/// Adds the client to the chain of those who asked: to `X-Forwarded-For`, and to `Forwarded` (RFC 7239) where that
/// was begun.
fn tell_of_client(headers: &mut HeaderMap, client: &Client) {
    match headers.entry(X_FORWARDED_FOR) {
        Entry::Vacant(vacant) => {
            if let Some(value) = &client.value {
                vacant.insert(value.clone());
            }
        }
        Entry::Occupied(mut occupied) => {
            let chain = joined(occupied.iter());
            if let Ok(value) = HeaderValue::try_from(format!("{chain}{}", client.address)) {
                occupied.insert(value);
            }
        }
    }
    if let Entry::Vacant(vacant) = headers.entry(X_FORWARDED_PROTO) {
        vacant.insert(HeaderValue::from_static("http"));
    }
    if let Entry::Occupied(mut occupied) = headers.entry(FORWARDED) {
        let chain = joined(occupied.iter());
        let client = match client.address {
            IpAddr::V4(client) => format!("for={client}"),
            IpAddr::V6(client) => format!("for=\"[{client}]\""),
        };
        if let Ok(value) = HeaderValue::try_from(format!("{chain}{client};proto=http")) {
            occupied.insert(value);
        }
    }
}

/// A chain as one line, ready for another link; empty if it is too long to be true.
fn joined<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> String {
    let mut chain = String::new();
    for value in values.filter_map(|value| value.to_str().ok()) {
        chain.push_str(value);
        chain.push_str(", ");
    }
    if chain.len() > CHAIN_LENGTH_MAX {
        chain.clear();
    }
    chain
}

/// Whether a header that lists words (RFC 9110, section 5.6.1) has this one.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut tokens = values.flat_map(|value| value.split(','));
    tokens.any(|found| found.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn head(pairs: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::builder().uri("http://example.com/a?b");
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn text<'a>(head: &'a request::Parts, name: &str) -> Option<&'a str> {
        head.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn client(address: &str) -> Client {
        Client::new(address.parse().unwrap())
    }

    const CLIENT: &str = "192.0.2.7";

    #[test]
    fn what_belongs_to_one_connection_stays_there() {
        let mut head = head(&[
            ("connection", "close, X-Own"),
            ("x-own", "1"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("te", "gzip, trailers"),
            ("x-kept", "1"),
        ]);
        for_target(&mut head, &client(CLIENT), None);
        for gone in ["connection", "x-own", "keep-alive", "transfer-encoding"] {
            assert_eq!(text(&head, gone), None, "{gone}");
        }
        assert_eq!(
            (text(&head, "te"), text(&head, "x-kept")),
            (Some("trailers"), Some("1"))
        );
        assert_eq!(text(&head, "host"), Some("example.com"));
    }

    #[test]
    fn chains_of_clients_are_gone_on_with_and_inventions_are_cut() {
        let mut plain = head(&[]);
        for_target(&mut plain, &client("::ffff:192.0.2.7"), None);
        assert_eq!(text(&plain, "x-forwarded-for"), Some("192.0.2.7"));
        assert_eq!(text(&plain, "x-forwarded-proto"), Some("http"));
        assert_eq!(text(&plain, "forwarded"), None);

        let mut chained = head(&[
            ("x-forwarded-for", "a"),
            ("x-forwarded-for", "b"),
            ("forwarded", "for=a"),
            ("x-forwarded-proto", "https"),
        ]);
        for_target(&mut chained, &client("2001:db8::1"), None);
        assert_eq!(text(&chained, "x-forwarded-for"), Some("a, b, 2001:db8::1"));
        assert_eq!(
            text(&chained, "forwarded"),
            Some("for=a, for=\"[2001:db8::1]\";proto=http")
        );
        assert_eq!(text(&chained, "x-forwarded-proto"), Some("https"));

        let mut invented = head(&[("x-forwarded-for", &"a".repeat(CHAIN_LENGTH_MAX))]);
        for_target(&mut invented, &client(CLIENT), None);
        assert_eq!(text(&invented, "x-forwarded-for"), Some("192.0.2.7"));
    }

    #[test]
    fn an_upgrade_is_passed_on_and_an_offer_of_h2c_is_not() {
        let mut asks = head(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        let protocol = upgrade(&asks).unwrap();
        for_target(&mut asks, &client(CLIENT), Some(&protocol));
        assert_eq!(
            (text(&asks, "connection"), text(&asks, "upgrade")),
            (Some("upgrade"), Some("websocket"))
        );

        assert_eq!(
            upgrade(&head(&[("connection", "upgrade"), ("upgrade", "h2c")])),
            None
        );
        assert_eq!(upgrade(&head(&[("upgrade", "websocket")])), None);
    }

    #[test]
    fn each_protocol_has_its_own_place_for_the_host() {
        let mut head = head(&[]);
        for_target(&mut head, &client(CLIENT), None);
        assert_eq!(
            (path(&head.uri), text(&head, "host")),
            ("/a?b", Some("example.com"))
        );
        address_http2(&mut head);
        assert_eq!(
            (head.uri.to_string(), text(&head, "host")),
            ("http://example.com/a?b".to_owned(), None)
        );
        for (uri, said) in [
            ("*", "*"),
            ("/", "/"),
            ("http://example.com", "/"),
            ("/?a", "/?a"),
        ] {
            assert_eq!(path(&uri.parse().unwrap()), said, "{uri}");
        }
    }
}
