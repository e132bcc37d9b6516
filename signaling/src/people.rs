//! Demo only: who is here, told to everyone when it changes.
//!
//! Invariant: at most one list every [`PAUSE`], of at most [`PEOPLE_MAX`] people, and none that says nothing new.

use crate::hub::Hub;
use crate::session::Session;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;
use tertulia_directory::Directory;
use tertulia_signaling_proto::{DemoPeople, Person, ServerFrame};
use tokio::sync::Notify;

/// People in the list. Raising it makes every change cost more, for everyone.
pub(crate) const PEOPLE_MAX: usize = 200;
/// How long changes are collected. Raising it shows newcomers later.
const PAUSE: Duration = Duration::from_millis(500);
/// How much longer for each session, so that a crowd does not tell itself about itself all the time.
const PAUSE_PER_SESSION: Duration = Duration::from_millis(1);

/// Who is here.
pub(crate) struct People {
    hub: Arc<Hub>,
    directory: Directory,
    changed: Notify,
    /// What everyone was told last.
    told: Mutex<Option<DemoPeople>>,
}

impl People {
    pub(crate) fn new(hub: Arc<Hub>, directory: Directory) -> Arc<Self> {
        Arc::new(Self { hub, directory, changed: Notify::new(), told: Mutex::default() })
    }

    /// Someone has come or gone.
    pub(crate) fn changed(&self) {
        self.changed.notify_one();
    }

    /// Tells a new session what the others know. If they have not been told anything yet, it hears it with them.
    pub(crate) fn greet(&self, session: &Session) {
        // Under the lock: a list that is taken here and told after the next one would be the last that the session hears.
        let told = self.told.lock();
        if let Some(people) = &*told {
            self.hub.tell_session(session, &ServerFrame::DemoPeople(people.clone()));
        }
    }

    /// Those online first, then by name.
    pub(crate) async fn list(&self) -> Result<DemoPeople, tertulia_directory::Error> {
        let mut names = self.hub.online(PEOPLE_MAX);
        for user in self.directory.people(PEOPLE_MAX as u64).await? {
            if names.len() >= PEOPLE_MAX {
                break;
            }
            names.entry(user.id).or_insert(user.name);
        }
        let person =
            |(user_id, name)| Person { online: Some(self.hub.is_online(&user_id)), user_id, name, deleted: false };
        let mut people: Vec<Person> = names.into_iter().map(person).collect();
        people.sort_by_cached_key(|person| {
            (Reverse(person.online), person.name.to_lowercase(), person.user_id.as_str().to_owned())
        });
        Ok(DemoPeople { people })
    }

    /// Tells everyone of every change. Never ends.
    pub(crate) async fn run(&self) {
        loop {
            self.changed.notified().await;
            let (sessions, _) = self.hub.counts();
            let crowd = PAUSE_PER_SESSION * u32::try_from(sessions).unwrap_or(u32::MAX);
            tokio::time::sleep(PAUSE + crowd).await;
            match self.list().await {
                Ok(people) => {
                    // First what newcomers hear, then who is there: in between, one may hear it twice, but none never.
                    let before = self.told.lock().replace(people.clone());
                    if before.as_ref() != Some(&people) {
                        self.hub.tell_all(&ServerFrame::DemoPeople(people));
                    }
                }
                Err(error) => tracing::error!(%error, "the list of people could not be read"),
            }
        }
    }
}
