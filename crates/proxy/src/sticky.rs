//! On which side of a split a request belongs.

use crate::route::{BUCKETS, Wish};
use hyper::HeaderMap;
use hyper::header::{COOKIE, HeaderValue};
use model::ReleaseNumber;
use proxy_control::{Point, Sticky};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A wish for a service that isn't split.
const ANY: Wish = Wish {
    release: None,
    bucket: 0,
};

/// What a request with these headers wishes, and whether its client is to be told which release answers it.
pub(crate) fn wish(point: &Point, headers: &HeaderMap) -> (Wish, bool) {
    if point.split.is_empty() {
        return (ANY, false);
    }
    let by_chance = || rand::random_range(0..BUCKETS);
    match &point.sticky {
        None => (
            Wish {
                release: None,
                bucket: by_chance(),
            },
            false,
        ),
        Some(Sticky::Header(name)) => {
            let bucket = headers
                .get(name.as_str())
                .map_or_else(by_chance, |value| bucket_of(value.as_bytes()));
            (
                Wish {
                    release: None,
                    bucket,
                },
                false,
            )
        }
        Some(Sticky::Cookie(name)) => {
            let release = cookie(headers, name);
            let stays =
                release.is_some_and(|release| point.targets().any(|target| target.release == release));
            let wish = Wish {
                release,
                bucket: by_chance(),
            };
            (wish, !stays)
        }
    }
}

/// The same for the same value, on every host: the standard library's `DefaultHasher::new()` has fixed keys.
fn bucket_of(value: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    u32::try_from(hasher.finish() % u64::from(BUCKETS)).unwrap_or_default()
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<ReleaseNumber> {
    let lines = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    value.parse().ok().map(ReleaseNumber)
}

/// The value of Set-Cookie that makes a client stay with a release (RFC 6265, section 4.1), where cookies do that.
pub(crate) fn set_cookie(point: &Point, release: ReleaseNumber) -> Option<HeaderValue> {
    let Some(Sticky::Cookie(name)) = &point.sticky else {
        return None;
    };
    let text = format!("{name}={release}; Path=/; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxy_control::{Protocol, Share, Target};

    fn target(release: i64) -> Target {
        Target {
            port: 3000,
            release: ReleaseNumber(release),
        }
    }

    fn point(sticky: Option<Sticky>) -> Point {
        Point {
            service: "web".parse().unwrap(),
            stable_port: 80,
            active: target(1),
            protocol: Protocol::Http1,
            split: vec![Share {
                target: target(2),
                percent: 50,
            }],
            sticky,
        }
    }

    #[test]
    fn the_same_header_is_drawn_the_same_and_different_ones_spread_evenly() {
        let point = point(Some(Sticky::Header("x-user".to_owned())));
        let of = |user: usize| {
            let headers = HeaderMap::from_iter([("x-user".parse().unwrap(), user.into())]);
            wish(&point, &headers).0.bucket
        };
        assert!((0..50).all(|user| of(user) == of(user)));
        let low = (0..10_000).filter(|&user| of(user) < 50).count();
        assert!((4_700..5_300).contains(&low), "{low}");
    }

    #[test]
    fn a_cookie_is_set_once_and_honoured_while_its_release_takes_part() {
        let point = point(Some(Sticky::Cookie("side".to_owned())));
        let of = |text: &'static str| {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(text))]);
            let (wish, set) = wish(&point, &headers);
            (wish.release, set)
        };
        assert_eq!(of("a=b; side=2; c=d"), (Some(ReleaseNumber(2)), false));
        assert_eq!(of("side=9"), (Some(ReleaseNumber(9)), true));
        assert_eq!(of("inside=2"), (None, true));
        assert_eq!(
            set_cookie(&point, ReleaseNumber(2)).unwrap(),
            "side=2; Path=/; HttpOnly; SameSite=Lax"
        );
    }
}
