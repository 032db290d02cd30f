//! Who may speak: a list of tokens of which only the hashes are kept.

use model::{Actor, RegionName, WorkerName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The most tokens in one list, so that a lookup stays cheap.
pub const TOKENS_MAX: usize = 1_000;
/// The longest secret that is hashed, in bytes.
const SECRET_LENGTH_MAX: usize = 512;

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Whose it is; stored with everything that is asked for with it.
    pub name: Actor,
    /// What it opens.
    pub role: Role,
    /// The hash of the secret.
    pub hash: TokenHash,
}

/// What a token opens. Written `engineer`, `region:us-east-1`, `worker` or `worker:builder-7`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Role {
    /// Everything but the reports of regions.
    Engineer,
    /// Only this region's reports.
    Region(RegionName),
    /// Only what attempts that hold their leases have to publish: of this worker, or, without a name, of any.
    Worker(Option<WorkerName>),
}

/// A text that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is `engineer`, `region:` and a region's name, `worker`, or `worker:` and a worker's name")]
pub struct InvalidRole;

impl TryFrom<String> for Role {
    type Error = InvalidRole;

    fn try_from(text: String) -> Result<Self, InvalidRole> {
        match text.split_once(':') {
            None if text == "engineer" => Ok(Self::Engineer),
            None if text == "worker" => Ok(Self::Worker(None)),
            Some(("region", name)) => name.parse().map(Self::Region).map_err(|_| InvalidRole),
            Some(("worker", name)) => {
                let name = name.parse().map_err(|_| InvalidRole)?;
                Ok(Self::Worker(Some(name)))
            }
            _ => Err(InvalidRole),
        }
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        match role {
            Role::Engineer => "engineer".to_owned(),
            Role::Region(region) => format!("region:{region}"),
            Role::Worker(None) => "worker".to_owned(),
            Role::Worker(Some(name)) => format!("worker:{name}"),
        }
    }
}

/// The BLAKE3 hash of a secret, written as 64 hexadecimal digits. A secret is random and long, so a
/// fast hash is enough: there is nothing to guess.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenHash([u8; 32]);

/// A text that is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a token's hash is 64 hexadecimal digits")]
pub struct InvalidTokenHash;

impl TokenHash {
    /// Hashes a secret.
    pub fn of(secret: &str) -> Self {
        Self(*blake3::hash(secret.as_bytes()).as_bytes())
    }
}

impl PartialEq for TokenHash {
    /// Takes the same time whatever differs.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenHash(…)")
    }
}

impl TryFrom<String> for TokenHash {
    type Error = InvalidTokenHash;

    fn try_from(text: String) -> Result<Self, InvalidTokenHash> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| InvalidTokenHash)?;
        Ok(Self(bytes))
    }
}

impl From<TokenHash> for String {
    fn from(hash: TokenHash) -> Self {
        hex::encode(hash.0)
    }
}

/// The list, shared by every request.
#[derive(Debug, Clone)]
pub(crate) struct Tokens(Arc<[Token]>);

/// Whom a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: Actor,
    pub(crate) role: Role,
}

impl Tokens {
    pub(crate) fn new(tokens: Vec<Token>) -> Self {
        Self(tokens.into())
    }

    /// Compares with every entry, so that the time tells neither which one fits nor whether one does.
    pub(crate) fn find(&self, secret: &str) -> Option<Caller> {
        if secret.len() > SECRET_LENGTH_MAX {
            return None;
        }
        let hash = TokenHash::of(secret);
        let mut found = None;
        for token in self.0.iter() {
            if token.hash == hash {
                found = Some(token);
            }
        }
        found.map(|token| Caller {
            name: token.name.clone(),
            role: token.role.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(secret: &str, role: Role) -> Token {
        Token {
            name: "ada".parse().unwrap(),
            role,
            hash: TokenHash::of(secret),
        }
    }

    #[test]
    fn only_the_very_secret_opens() {
        let tokens = Tokens::new(vec![token("open", Role::Engineer)]);
        assert_eq!(tokens.find("open").unwrap().role, Role::Engineer);
        for wrong in ["", "Open", "open ", "ope", &"x".repeat(4096)] {
            assert_eq!(tokens.find(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_token_is_written_as_three_words_and_never_shows_its_hash() {
        let text = format!(
            r#"{{"name":"manager","role":"region:us-east-1","hash":"{}"}}"#,
            "ab".repeat(32)
        );
        let token: Token = serde_json::from_str(&text).unwrap();
        assert_eq!(token.role, Role::Region("us-east-1".parse().unwrap()));
        assert_eq!(serde_json::to_string(&token).unwrap(), text);
        assert!(!format!("{token:?}").contains("abab"));
    }

    #[test]
    fn a_workers_role_is_written_with_or_without_its_name() {
        for role in [
            Role::Worker(None),
            Role::Worker(Some("builder-7".parse().unwrap())),
        ] {
            assert_eq!(Role::try_from(String::from(role.clone())), Ok(role));
        }
    }

    #[test]
    fn a_role_that_does_not_exist_is_refused() {
        for bad in [
            "",
            "admin",
            "region",
            "region:",
            "region:..",
            "engineer:x",
            "worker:",
            "worker:a b",
        ] {
            assert_eq!(Role::try_from(bad.to_owned()), Err(InvalidRole), "{bad}");
        }
    }
}
