//! The handle, and how the file is opened: WAL, `synchronous=FULL`, foreign keys on, migrations applied.

use crate::migration::Migrator;
use crate::watch::Watchers;
use crate::{Error, Result};
use sea_orm::sqlx;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use std::path::Path;
use std::time::{Duration, Instant};

/// Connections to the file. SQLite has one writer whatever this says; more of them only let more readers run beside it,
/// each with a page cache of 2 MB.
const CONNECTIONS_MAX: u32 = 4;

/// How long a write waits for another one, and a query for a connection. Raising it makes a stuck disk hold requests
/// longer, lowering it turns a slow fsync into errors.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long opening may take, where the disk has so much to do that nothing is read of it. Raising it hides a disk that hangs from
/// whoever started the program, lowering it ends a start that would have come right.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// The directory. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Directory {
    pub(crate) db: DatabaseConnection,
    pub(crate) watchers: Watchers,
}

impl Directory {
    /// Opens the directory in this file, making the file and its folder (for this user only) where there are none, and
    /// brings its tables up to date.
    ///
    /// # Errors
    /// If the folder or file can't be used, or holds tables of a newer version.
    pub async fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_private_folder(folder).map_err(Error::Folder)?;
        }
        let file = path.to_owned();
        let mut options = ConnectOptions::new("sqlite:");
        options
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false) // a file does not hang up, and the question is a trip to another thread
            .sqlx_logging(false) // statements carry personal data
            .map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .filename(&file)
                    .in_memory(false)
                    .shared_cache(false)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(BUSY_TIMEOUT)
                    .foreign_keys(true)
            });
        let db = connect(options).await?;
        Migrator::up(&db, None).await?;
        Ok(Self { db, watchers: Watchers::default() })
    }

    /// A transaction that reads and then writes: it waits for the other writers before it reads, since what it has read
    /// could not be written upon otherwise.
    pub(crate) async fn begin_write(&self) -> Result<DatabaseTransaction> {
        let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { isolation_level: None, access_mode: None, sqlite_transaction_mode };
        Ok(self.db.begin_with_options(options).await?)
    }

    /// Whether the directory answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.db.ping().await?)
    }

    /// Closes the file, once the calls under way are done. The other clones get errors from then on.
    ///
    /// # Errors
    /// If the file can't be closed cleanly.
    pub async fn close(self) -> Result<()> {
        Ok(self.db.close().await?)
    }
}

async fn connect(options: ConnectOptions) -> Result<DatabaseConnection> {
    let start = Instant::now();
    loop {
        match Database::connect(options.clone()).await {
            Err(DbErr::Conn(RuntimeErr::SqlxError(error)))
                if matches!(*error, sqlx::Error::PoolTimedOut) && start.elapsed() < OPEN_TIMEOUT =>
            {
                tracing::warn!(waited = ?start.elapsed(), "the disk does not let the directory be opened: it is tried again");
            }
            opened => return Ok(opened?),
        }
    }
}

fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
