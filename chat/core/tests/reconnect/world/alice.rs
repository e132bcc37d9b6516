//! What Alice does: she writes, she has a group and changes it. Invariant: each thing has one name, so that what a death may have
//! taken back is asked again and made once.

use super::{BOBS, CHANGES, Group, NOW, World, device, user};
use tertulia_chat_core::{About, Ask, BodyRef, Change, ClientId, Position, Role, Submit, To};

impl World {
    /// Alice makes her group.
    pub(super) fn create(&mut self, group: Group) {
        let (name, description) = ("Walkers".to_owned(), String::new());
        let about = About { name, description, icon: None, post: Role::Member, edit: Role::Admin };
        let members = if group.is_in { vec![user("bob")] } else { Vec::new() };
        self.promise.is_in = group.is_in;
        self.asks(0, Change::Create { about, members }).expect("nothing is in the way");
    }

    pub(super) fn send(&mut self) -> Result<(), String> {
        self.sent += 1;
        let number = self.sent;
        let to = self.bounds.group.map_or_else(|| To::User(user("bob")), |_| To::Group(self.conversation()));
        let submit =
            Submit { to, client_id: ClientId(number.into()), digest: number.into(), body_bytes: 10, withheld: false };
        let alice = self.relay.device(&user("alice"), &device("phone")).expect("Alice's");
        let mut out = Vec::new();
        let sent = self.relay.send(NOW, alice, &submit, &mut out).map_err(|refusal| refusal.to_string())?;
        let body = BodyRef { file: 1, offset: number.into(), len: 10 };
        self.decided(out, body);
        self.confirming = number;
        let place = u8::try_from(sent.id.seq.0).expect("few");
        let Some(position) = sent.position else {
            // It was durable before the program died.
            let known = self.durable.messages.get(usize::from(number) - 1);
            return if known == Some(&place) { Ok(()) } else { Err(format!("{number} is known at {place}")) };
        };
        self.relay.placed(sent.id, position, body);
        self.promise.messages.push(place);
        self.stands(place, position, self.promise.is_in)
    }

    /// Bob is added or removed, or that is asked again.
    pub(super) fn change(&mut self) -> Result<(), String> {
        self.changed += 1;
        let begins_in = self.bounds.group.is_some_and(|group| group.is_in);
        let comes = (self.changed % 2 == 1) != begins_in;
        let bob = user("bob");
        let change = if comes { Change::Member { user: bob, role: None } } else { Change::Remove { user: bob } };
        self.asks(self.changed, change)
    }

    fn asks(&mut self, number: u8, change: Change) -> Result<(), String> {
        let group = (number > 0).then(|| self.conversation());
        let client_id = ClientId((CHANGES + u64::from(number)).into());
        let ask = Ask { by: user("alice"), client_id, group, change };
        let mut out = Vec::new();
        let changed = self.relay.change(NOW, &ask, &mut out).map_err(|refusal| refusal.to_string())?;
        let body = BodyRef { file: 2, offset: number.into(), len: 10 };
        self.decided(out, body);
        self.changes_confirming = number;
        if changed.duplicate {
            let known = self.durable.changes >= number;
            return if known { Ok(()) } else { Err(format!("change {number} was never made")) };
        }
        let [made] = &changed.made[..] else { return Err(format!("change {number} made {:?}", changed.made)) };
        self.relay.placed(made.id, made.position, body);
        self.promise.changes = number;
        // Who comes hears of that, and who goes too.
        let hears = self.promise.is_in || number > 0;
        if number > 0 {
            self.promise.is_in = !self.promise.is_in;
        }
        self.stands(u8::try_from(made.id.seq.0).expect("few"), made.position, hears)
    }

    /// Something has its places; whether it is Bob's.
    fn stands(&mut self, place: u8, position: Position, is_his: bool) -> Result<(), String> {
        self.promise.positions.push(position.0);
        if usize::from(place) != self.promise.positions.len() {
            return Err(format!("something stands at {place}, after {}", self.promise.positions.len() - 1));
        }
        if is_his {
            let open = self.promise.open;
            for at in (0..BOBS.len()).filter(|at| open[*at]) {
                self.promise.due[at].push(place);
            }
            if self.promise.open == [false; 2] {
                self.promise.waiting.push(place);
            }
        }
        Ok(())
    }

    /// What happened to her group is for her device too.
    pub(super) fn alice_drains(&mut self) {
        let alice = self.relay.device(&user("alice"), &device("phone")).expect("Alice's");
        let reader = self.readers + 1_000;
        self.relay.attach(alice, reader);
        while let Some(item) = self.relay.take(alice, reader, 1).items.last() {
            self.relay.acknowledge(alice, reader, item.position(), &mut Vec::new()).expect("it was handed out");
        }
    }
}
