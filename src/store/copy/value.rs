//! A value on its way from one kind of store to another.

use std::error::Error;

use bytes::BytesMut;
use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::tables::Column;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Text(String),
    Bytes(Vec<u8>),
    Integer(i64),
    Flag(bool),
    Time(Timestamp),
}

impl Value {
    /// `None` if it is not of the column's kind.
    pub(super) fn of_sqlite(column: Column, value: ValueRef<'_>) -> Option<Self> {
        Some(match (column, value) {
            (_, ValueRef::Null) => Self::Null,
            (Column::Text, ValueRef::Text(text)) => Self::Text(std::str::from_utf8(text).ok()?.to_owned()),
            (Column::Time, ValueRef::Text(text)) => Self::Time(std::str::from_utf8(text).ok()?.parse().ok()?),
            (Column::Bytes, ValueRef::Blob(bytes)) => Self::Bytes(bytes.to_vec()),
            (Column::Integer, ValueRef::Integer(integer)) => Self::Integer(integer),
            (Column::Flag, ValueRef::Integer(flag)) => Self::Flag(flag != 0),
            _ => return None,
        })
    }

    pub(super) fn of_postgres(column: Column, row: &Row, at: usize) -> Result<Self, tokio_postgres::Error> {
        let value = match column {
            Column::Text => row.try_get::<_, Option<String>>(at)?.map(Self::Text),
            Column::Bytes => row.try_get::<_, Option<Vec<u8>>>(at)?.map(Self::Bytes),
            Column::Integer => row.try_get::<_, Option<i64>>(at)?.map(Self::Integer),
            Column::Flag => row.try_get::<_, Option<bool>>(at)?.map(Self::Flag),
            Column::Time => row.try_get::<_, Option<Timestamp>>(at)?.map(Self::Time),
        };
        Ok(value.unwrap_or(Self::Null))
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Stored::Null),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Integer(integer) => ToSqlOutput::Owned(Stored::Integer(*integer)),
            Self::Flag(flag) => ToSqlOutput::Owned(Stored::Integer((*flag).into())),
            Self::Time(time) => ToSqlOutput::Owned(Stored::Text(format!("{time:.6}"))),
        })
    }
}

/// How PostgreSQL calls what stands in a column.
pub(super) fn postgres_type(column: Column) -> Type {
    match column {
        Column::Text => Type::TEXT,
        Column::Bytes => Type::BYTEA,
        Column::Integer => Type::INT8,
        Column::Flag => Type::BOOL,
        Column::Time => Type::TIMESTAMPTZ,
    }
}

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
            Self::Integer(integer) => integer.to_sql(kind, out),
            Self::Flag(flag) => flag.to_sql(kind, out),
            Self::Time(time) => time.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::TEXT, Type::BYTEA, Type::INT8, Type::BOOL, Type::TIMESTAMPTZ].contains(kind)
    }

    to_sql_checked!();
}
