//! The stylesheet, the script and the sign, built into the binary.

use crate::refusal::Refusal;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

/// For so long a browser asks for an asset no second time. Its name changes with its content.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

struct Asset {
    content_type: &'static str,
    content: &'static str,
}

const STYLE: Asset = Asset {
    content_type: "text/css; charset=utf-8",
    content: include_str!("../assets/console.css"),
};
const SCRIPT: Asset = Asset {
    content_type: "text/javascript; charset=utf-8",
    content: include_str!("../assets/console.js"),
};
const SIGN: Asset = Asset {
    content_type: "image/svg+xml",
    content: include_str!("../assets/sign.svg"),
};

/// Changes when any asset does, so that no browser mixes an old style with a new page.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for asset in [STYLE, SCRIPT, SIGN] {
        hasher.update(asset.content.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
});

/// The part of an asset's address that changes with its content.
pub(crate) fn version() -> &'static str {
    &VERSION
}

/// `GET /assets/{version}/{name}`.
pub(crate) async fn get(Path((_, name)): Path<(String, String)>) -> Response {
    let asset = match name.as_str() {
        "console.css" => STYLE,
        "console.js" => SCRIPT,
        "sign.svg" => SIGN,
        _ => return Refusal::NotFound.into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, CACHE_CONTROL),
    ];
    (headers, asset.content).into_response()
}
