//! Who may speak to the API of a `starling dev`.

use super::layout::Layout;
use super::names;
use super::secrets;
use console::{Role, Token, TokenHash};
use model::RegionName;
use std::path::PathBuf;

/// The engineer's token, one for the managers of each region, and one for each worker.
pub fn all<'a>(
    layout: &Layout,
    engineer: &str,
    regions: impl Iterator<Item = &'a RegionName>,
    workers: u16,
) -> anyhow::Result<Vec<Token>> {
    let user = std::env::var("USER").unwrap_or_else(|_| "engineer".to_owned());
    let mut tokens = vec![Token {
        name: user.parse()?,
        role: Role::Engineer,
        hash: TokenHash::of(engineer),
    }];
    for region in regions {
        tokens.push(Token {
            name: format!("region:{region}").parse()?,
            role: Role::Region(region.clone()),
            hash: TokenHash::of(&of_region(layout, region)?.1),
        });
    }
    for index in 1..=workers {
        let name = names::worker(index);
        tokens.push(Token {
            name: format!("worker:{name}").parse()?,
            role: Role::Worker(Some(name.parse()?)),
            hash: TokenHash::of(&of_worker(layout, &name)?.1),
        });
    }
    Ok(tokens)
}

/// The token of a region's managers, and the file that holds it.
pub fn of_region(layout: &Layout, region: &RegionName) -> anyhow::Result<(PathBuf, String)> {
    secrets::token(layout, &format!("{region}.token"))
}

/// The token of a worker, and the file that holds it.
pub fn of_worker(layout: &Layout, name: &str) -> anyhow::Result<(PathBuf, String)> {
    secrets::token(layout, &format!("{name}.token"))
}
