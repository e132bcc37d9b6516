//! The names of those in a call.
//!
//! They are looked up when somebody is called, or known of who comes: the call's lock is no place to wait for the directory.

use tertulia_common::UserId;
use tertulia_signaling_proto::Person;

/// The names of those in a call. Empty: everyone goes by their id.
#[derive(Clone, Default)]
pub(crate) struct Names(Vec<(UserId, String)>);

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(user, _)| user)).finish()
    }
}

impl Names {
    pub(crate) fn new(names: impl IntoIterator<Item = (UserId, String)>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Adds one, or has them go by another name from now on.
    pub(crate) fn add(&mut self, user: &UserId, name: String) {
        match self.0.iter_mut().find(|(known, _)| known == user) {
            Some((_, known)) => *known = name,
            None => self.0.push((user.clone(), name)),
        }
    }

    /// Forgets one.
    pub(crate) fn remove(&mut self, user: &UserId) {
        self.0.retain(|(known, _)| known != user);
    }

    /// Each of them.
    pub(crate) fn each(&self, mut take: impl FnMut(&UserId, &str)) {
        self.0.iter().for_each(|(user, name)| take(user, name));
    }

    /// The name of a user; their id if it is not known.
    pub(crate) fn of<'a>(&'a self, user: &'a UserId) -> &'a str {
        self.0.iter().find(|(known, _)| known == user).map_or(user.as_str(), |(_, name)| name)
    }

    /// The user as others see them.
    pub(crate) fn person(&self, user: &UserId) -> Person {
        Person { user_id: user.clone(), name: self.of(user).to_owned(), online: None, deleted: false }
    }
}
