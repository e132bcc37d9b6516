//! What can go wrong, and whether asking again helps. No message carries personal data: the cause is a source, not text.

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// The result of every call here.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call names a user who is not here; [`ensure_user`](crate::Directory::ensure_user) first.
    #[error("a user of this record is not in the directory")]
    UnknownUser,
    /// There are as many of these as there may be.
    #[error("there may be {max} of these and no more")]
    Full {
        /// How many.
        max: u64,
    },
    /// A row that this version can't read: the file was changed by hand or by a newer version.
    #[error("the directory holds a {what} that this version can't read")]
    Unreadable {
        /// Which column.
        what: &'static str,
    },
    /// The data folder can't be made or used.
    #[error("the data folder can't be used")]
    Folder(#[source] std::io::Error),
    /// The program is ending, or what was to be done has panicked: whether it was done is not known.
    #[error("the directory was interrupted")]
    Interrupted,
    /// The database is busy or out of connections; it may answer a moment later.
    #[error("the directory is busy")]
    Busy(#[source] DbErr),
    /// The database failed.
    #[error("the directory failed")]
    Database(#[source] DbErr),
}

impl Error {
    /// Whether the same call may succeed a moment later. Everything here can be repeated without doing it twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_))) {
            return Self::UnknownUser;
        }
        if matches!(error, DbErr::ConnectionAcquire(_)) || is_busy(&error) {
            return Self::Busy(error);
        }
        Self::Database(error)
    }
}

/// SQLite's primary codes 5 (busy) and 6 (locked), in the low byte of the extended code.
fn is_busy(error: &DbErr) -> bool {
    let (DbErr::Conn(RuntimeErr::SqlxError(cause))
    | DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
    else {
        return false;
    };
    let sqlx::Error::Database(cause) = cause.as_ref() else {
        return false;
    };
    cause.code().and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| matches!(code & 0xff, 5 | 6))
}
