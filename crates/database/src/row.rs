//! From a row's columns to the model's words.

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{Row, error::BoxDynError};
use std::str::FromStr;

/// A text column that must parse.
pub(crate) fn word<T>(row: &PgRow, column: &str) -> sqlx::Result<T>
where
    T: FromStr<Err: Into<BoxDynError>>,
{
    parse(column, row.try_get(column)?)
}

/// A text column that must parse unless it is NULL.
pub(crate) fn word_option<T>(row: &PgRow, column: &str) -> sqlx::Result<Option<T>>
where
    T: FromStr<Err: Into<BoxDynError>>,
{
    let text: Option<&str> = row.try_get(column)?;
    text.map(|text| parse(column, text)).transpose()
}

fn parse<T>(column: &str, text: &str) -> sqlx::Result<T>
where
    T: FromStr<Err: Into<BoxDynError>>,
{
    text.parse().map_err(|reason: T::Err| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: reason.into(),
    })
}

pub(crate) fn time(row: &PgRow, column: &str) -> sqlx::Result<Timestamp> {
    let time: jiff_sqlx::Timestamp = row.try_get(column)?;
    Ok(time.to_jiff())
}

pub(crate) fn time_option(row: &PgRow, column: &str) -> sqlx::Result<Option<Timestamp>> {
    let time: Option<jiff_sqlx::Timestamp> = row.try_get(column)?;
    Ok(time.map(jiff_sqlx::Timestamp::to_jiff))
}

/// A count or length, which Postgres keeps in a signed integer.
pub(crate) fn size(row: &PgRow, column: &str) -> sqlx::Result<u64> {
    unsigned(column, row.try_get(column)?)
}

pub(crate) fn size_option(row: &PgRow, column: &str) -> sqlx::Result<Option<u64>> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(|value| unsigned(column, value)).transpose()
}

fn unsigned(column: &str, value: i64) -> sqlx::Result<u64> {
    u64::try_from(value).map_err(|reason| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: reason.into(),
    })
}

/// A count or length for a `bigint` column. What does not fit is larger than any artifact can be, and
/// is stored as the largest.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A limit that a caller gave, cut to what one call may return.
pub(crate) fn limit(asked: u32, max: u32) -> i64 {
    i64::from(asked.clamp(1, max))
}
