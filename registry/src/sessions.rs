//! Which session and which socket speak for a device.
//!
//! Invariant: one fence owns a device. Every claim gives a higher fence than any before it, and takes the device from
//! whoever held it; what an older holder asks for afterwards changes nothing.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tertulia_common::{DeviceId, SessionId, UserId};

/// The number of a claim: the higher one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

/// Who speaks for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its session.
    pub session: SessionId,
    /// The claim it holds the device by.
    pub fence: Fence,
    /// Whether a socket is there now. A session lives on for a while without one.
    pub connected: bool,
}

/// A claim that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its number.
    pub fence: Fence,
    /// Who held the device until now.
    pub displaced: Option<Holder>,
}

/// The user has as many devices as one may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicesFull {
    /// How many that is.
    pub max: usize,
    /// The one that has been without a socket for longest: to be given up first. None if all are connected.
    pub idle: Option<Holder>,
}

#[derive(Debug, Default)]
struct State {
    users: FxHashMap<UserId, Vec<(DeviceId, Holder)>>,
    devices: usize,
    connected: usize,
    last_fence: u64,
}

/// Devices and who speaks for them.
#[derive(Debug)]
pub struct Sessions {
    devices_per_user_max: usize,
    state: Mutex<State>,
}

impl Sessions {
    /// Nobody yet. A user may have `devices_per_user_max` devices at once: raising it multiplies what one invite sends.
    #[must_use]
    pub fn new(devices_per_user_max: usize) -> Self {
        Self { devices_per_user_max, state: Mutex::default() }
    }

    /// Takes the device for a socket of this session, from whoever has it.
    ///
    /// # Errors
    /// If the device is new and the user has too many already.
    pub fn claim(&self, user: &UserId, device: &DeviceId, session: SessionId) -> Result<Claim, DevicesFull> {
        let mut state = self.state.lock();
        let State { users, devices, connected, last_fence } = &mut *state;
        let fence = Fence(*last_fence + 1);
        let holder = Holder { session, fence, connected: true };
        let of_user = users.entry(user.clone()).or_insert_with(|| Vec::with_capacity(1));
        let displaced = if let Some((_, current)) = of_user.iter_mut().find(|(known, _)| known == device) {
            Some(std::mem::replace(current, holder))
        } else if of_user.len() < self.devices_per_user_max {
            of_user.push((device.clone(), holder));
            *devices += 1;
            None
        } else {
            let idle = of_user.iter().map(|(_, holder)| holder).filter(|holder| !holder.connected);
            let idle = idle.min_by_key(|holder| holder.fence).copied();
            return Err(DevicesFull { max: self.devices_per_user_max, idle });
        };
        *last_fence = fence.0;
        *connected += usize::from(displaced.is_none_or(|holder| !holder.connected));
        Ok(Claim { fence, displaced })
    }

    /// The socket of this claim is gone; the session lives on. False if a newer claim has the device.
    pub fn disconnected(&self, user: &UserId, device: &DeviceId, fence: Fence) -> bool {
        let mut state = self.state.lock();
        let Some((_, holder)) = state.users.get_mut(user).and_then(|all| all.iter_mut().find(|(d, _)| d == device))
        else {
            return false;
        };
        if holder.fence != fence {
            return false;
        }
        if std::mem::replace(&mut holder.connected, false) {
            state.connected -= 1;
        }
        true
    }

    /// The session of this claim is over: forgets the device. False if a newer claim has it.
    pub fn release(&self, user: &UserId, device: &DeviceId, fence: Fence) -> bool {
        let mut state = self.state.lock();
        let Some(of_user) = state.users.get_mut(user) else { return false };
        let Some(at) = of_user.iter().position(|(known, holder)| known == device && holder.fence == fence) else {
            return false;
        };
        let (_, holder) = of_user.swap_remove(at);
        if of_user.is_empty() {
            state.users.remove(user);
        }
        state.devices -= 1;
        state.connected -= usize::from(holder.connected);
        true
    }

    /// Who speaks for the device.
    #[must_use]
    pub fn holder(&self, user: &UserId, device: &DeviceId) -> Option<Holder> {
        let state = self.state.lock();
        state.users.get(user)?.iter().find(|(known, _)| known == device).map(|(_, holder)| *holder)
    }

    /// The user's devices, with or without a socket.
    #[must_use]
    pub fn devices(&self, user: &UserId) -> Vec<(DeviceId, Holder)> {
        self.state.lock().users.get(user).cloned().unwrap_or_default()
    }

    /// Whether a device of the user has a socket now.
    #[must_use]
    pub fn is_connected(&self, user: &UserId) -> bool {
        self.state.lock().users.get(user).is_some_and(|all| all.iter().any(|(_, holder)| holder.connected))
    }

    /// How many devices have a session.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.lock().devices
    }

    /// Whether no device has a session.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many devices have a socket.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.state.lock().connected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tertulia_common::Timestamp;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn device(name: &str) -> DeviceId {
        name.parse().unwrap()
    }

    fn session(number: u64) -> SessionId {
        SessionId::new(Timestamp(number), u128::from(number))
    }

    #[test]
    fn a_newer_session_displaces_an_older_one_of_the_same_device() {
        let sessions = Sessions::new(4);
        let first = sessions.claim(&user("a"), &device("d"), session(1)).unwrap();
        let second = sessions.claim(&user("a"), &device("d"), session(2)).unwrap();
        assert_eq!(first.displaced, None);
        assert_eq!(second.displaced.map(|holder| holder.session), Some(session(1)));
        assert!(second.fence > first.fence);
        assert_eq!((sessions.len(), sessions.connected()), (1, 1));

        assert!(!sessions.disconnected(&user("a"), &device("d"), first.fence));
        assert!(!sessions.release(&user("a"), &device("d"), first.fence));
        assert_eq!(sessions.holder(&user("a"), &device("d")).map(|holder| holder.session), Some(session(2)));
    }

    #[test]
    fn the_same_device_name_of_two_users_is_two_devices() {
        let sessions = Sessions::new(4);
        sessions.claim(&user("a"), &device("d"), session(1)).unwrap();
        let other = sessions.claim(&user("b"), &device("d"), session(2)).unwrap();
        assert_eq!(other.displaced, None);
        assert_eq!(sessions.len(), 2);
    }

    #[test]
    fn counts_follow_sockets_and_sessions() {
        let sessions = Sessions::new(4);
        let claim = sessions.claim(&user("a"), &device("d"), session(1)).unwrap();
        assert!(sessions.is_connected(&user("a")));
        assert!(sessions.disconnected(&user("a"), &device("d"), claim.fence));
        assert!(sessions.disconnected(&user("a"), &device("d"), claim.fence));
        assert!(!sessions.is_connected(&user("a")));
        assert_eq!((sessions.len(), sessions.connected()), (1, 0));

        let again = sessions.claim(&user("a"), &device("d"), session(1)).unwrap();
        assert_eq!((sessions.len(), sessions.connected()), (1, 1));
        assert!(sessions.release(&user("a"), &device("d"), again.fence));
        assert!(sessions.is_empty());
        assert_eq!(sessions.connected(), 0);
        assert!(sessions.devices(&user("a")).is_empty());
    }

    #[test]
    fn a_user_has_a_bounded_number_of_devices_and_the_longest_idle_one_is_named() {
        let sessions = Sessions::new(2);
        let first = sessions.claim(&user("a"), &device("1"), session(1)).unwrap();
        sessions.claim(&user("a"), &device("2"), session(2)).unwrap();
        let full = sessions.claim(&user("a"), &device("3"), session(3)).unwrap_err();
        assert_eq!(full, DevicesFull { max: 2, idle: None });

        sessions.disconnected(&user("a"), &device("1"), first.fence);
        let full = sessions.claim(&user("a"), &device("3"), session(3)).unwrap_err();
        assert_eq!(full.idle.map(|holder| holder.session), Some(session(1)));
        assert!(sessions.claim(&user("a"), &device("2"), session(4)).is_ok(), "a known device may always come back");
        assert!(sessions.release(&user("a"), &device("1"), first.fence));
        assert!(sessions.claim(&user("a"), &device("3"), session(3)).is_ok());
    }
}
