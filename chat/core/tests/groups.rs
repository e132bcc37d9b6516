//! Groups driven by hand: who may what, who gets what, ticks, invitations, what a crash leaves.

#[expect(dead_code, reason = "the scripts use the rest")]
mod support;

use support::{EVENTS, Scene, about, event_body, user};
use tertulia_chat_core::{
    About, Ask, BodyRef, Change, Changed, ClientId, ConversationId, Edit, Event, InviteHash, Item, Limits, Refusal,
    Role, To,
};

/// People with a phone each.
fn scene(people: &[&str]) -> Scene {
    scene_with(people, Limits::default())
}

fn scene_with(people: &[&str], limits: Limits) -> Scene {
    let mut scene = Scene::new(limits);
    for name in people {
        scene.connects(name, "phone");
    }
    scene
}

fn create(scene: &mut Scene, by: &str, number: u32, members: &[&str]) -> Result<Changed, Refusal> {
    let members = members.iter().map(|name| user(name)).collect();
    let change = Change::Create { about: about(), members };
    scene.changes(&Ask { by: user(by), client_id: ClientId(number.into()), group: None, change })
}

fn change(scene: &mut Scene, by: &str, group: ConversationId, number: u32, change: Change) -> Result<Changed, Refusal> {
    scene.changes(&Ask { by: user(by), client_id: ClientId(number.into()), group: Some(group), change })
}

fn add(name: &str) -> Change {
    Change::Member { user: user(name), role: None }
}

fn make(name: &str, role: Role) -> Change {
    Change::Member { user: user(name), role: Some(role) }
}

fn remove(name: &str) -> Change {
    Change::Remove { user: user(name) }
}

/// What of a device's entries are messages.
fn texts(scene: &mut Scene, name: &str) -> Vec<u32> {
    scene.got(name, "phone").into_iter().filter(|body| *body < EVENTS).collect()
}

/// How many entries of the group a device has seen.
fn events(scene: &mut Scene, name: &str) -> usize {
    scene.got(name, "phone").into_iter().filter(|body| *body >= EVENTS).count()
}

fn says(scene: &mut Scene, name: &str, group: ConversationId, number: u32) -> Result<u64, Refusal> {
    scene.submits(name, "phone", To::Group(group), number, number.into()).map(|sent| sent.id.seq.0)
}

fn all(scene: &mut Scene, name: &str, group: ConversationId) -> Option<(u64, u64)> {
    scene.seen[&(name.to_owned(), "phone".to_owned())].alls.get(&group).copied()
}

#[test]
fn m2_a_group_is_one_order_of_messages_and_changes_and_reaches_everyone_in_it() {
    let mut scene = scene(&["alice", "bob", "carol", "eve"]);
    let made = create(&mut scene, "alice", 1, &["bob", "carol", "alice"]).unwrap();
    let group = made.group;
    let wanted = Event::Created { name: "Friends".to_owned(), members: ["alice", "bob", "carol"].map(user).into() };
    assert_eq!(made.made[0].event, wanted);
    assert_eq!(says(&mut scene, "bob", group, 2), Ok(2), "the change is the first entry");
    assert_eq!(says(&mut scene, "alice", group, 3), Ok(3));
    assert_eq!(texts(&mut scene, "carol"), [2, 3]);
    assert_eq!(texts(&mut scene, "bob"), [3], "not what it sent itself");
    for name in ["alice", "bob", "carol"] {
        assert_eq!(events(&mut scene, name), 1, "{name}: its maker's devices get a change, too");
    }
    assert!(scene.got("eve", "phone").is_empty());
    assert_eq!(says(&mut scene, "eve", group, 9), Err(Refusal::NoConversation));
    assert_eq!(scene.reads_conversation("eve", "phone", group, 1), Err(Refusal::NoConversation));
    assert_eq!(scene.relay.group(&user("eve"), group), None);
}

#[test]
fn m2_who_was_removed_hears_that_and_nothing_after_who_comes_hears_that_and_nothing_before() {
    let mut scene = scene(&["alice", "bob", "carol"]);
    let group = create(&mut scene, "alice", 1, &["bob"]).unwrap().group;
    says(&mut scene, "alice", group, 2).unwrap();
    // Bob is away when he is removed: what was before waits for him.
    scene.leaves("bob", "phone");
    says(&mut scene, "alice", group, 3).unwrap();
    change(&mut scene, "alice", group, 4, remove("bob")).unwrap();
    says(&mut scene, "alice", group, 5).unwrap();
    change(&mut scene, "alice", group, 6, add("carol")).unwrap();
    says(&mut scene, "alice", group, 7).unwrap();
    assert_eq!(texts(&mut scene, "carol"), [7]);
    assert_eq!(events(&mut scene, "carol"), 1);
    scene.dies(usize::MAX);
    scene.connects("alice", "phone").connects("bob", "phone").connects("carol", "phone");
    assert_eq!(texts(&mut scene, "bob"), [2, 3]);
    assert_eq!(events(&mut scene, "bob"), 2, "made, and removed");
    assert_eq!(says(&mut scene, "bob", group, 8), Err(Refusal::NotAllowed));
    assert_eq!(scene.relay.group(&user("bob"), group), None, "nor does he learn what it is now");
}

#[test]
fn m2_who_comes_back_gets_both_times_and_not_what_was_between() {
    let mut scene = scene(&["alice", "bob"]);
    let group = create(&mut scene, "alice", 1, &["bob"]).unwrap().group;
    scene.leaves("bob", "phone");
    says(&mut scene, "alice", group, 2).unwrap();
    change(&mut scene, "alice", group, 3, remove("bob")).unwrap();
    says(&mut scene, "alice", group, 4).unwrap();
    change(&mut scene, "alice", group, 5, add("bob")).unwrap();
    says(&mut scene, "alice", group, 6).unwrap();
    scene.dies(usize::MAX);
    scene.connects("alice", "phone").connects("bob", "phone");
    assert_eq!(texts(&mut scene, "bob"), [2, 6]);
    assert_eq!(events(&mut scene, "bob"), 3);
    for name in ["alice", "bob"] {
        scene.acknowledges(name, "phone").unwrap();
    }
    // Message 4 was for nobody.
    assert_eq!(scene.relay.live().count(), 0);
}

#[test]
fn m2_only_who_may_changes_a_group_and_only_those_below() {
    let mut scene = scene(&["alice", "bob", "carol", "dave", "eve"]);
    let group = create(&mut scene, "alice", 1, &["bob", "carol", "dave"]).unwrap().group;
    let refused = |done: Result<Changed, Refusal>| done.err();
    for (number, change_of) in
        [add("eve"), remove("carol"), make("carol", Role::Admin), Change::Invite(None), Change::End]
            .into_iter()
            .enumerate()
    {
        let number = u32::try_from(number).unwrap();
        let done = change(&mut scene, "bob", group, 10 + number, change_of.clone());
        assert_eq!(refused(done), Some(Refusal::NotAllowed), "{change_of:?} by a member");
        let done = change(&mut scene, "eve", group, 10 + number, change_of.clone());
        assert_eq!(refused(done), Some(Refusal::NoConversation), "{change_of:?} by a stranger");
    }
    change(&mut scene, "alice", group, 20, make("bob", Role::Admin)).unwrap();
    change(&mut scene, "bob", group, 21, make("carol", Role::Admin)).unwrap();
    for (number, change_of) in
        [remove("carol"), remove("alice"), make("carol", Role::Member), make("dave", Role::Owner), Change::End]
            .into_iter()
            .enumerate()
    {
        let done = change(&mut scene, "bob", group, 30 + u32::try_from(number).unwrap(), change_of.clone());
        assert_eq!(refused(done), Some(Refusal::NotAllowed), "{change_of:?} by an admin");
    }
    change(&mut scene, "alice", group, 40, make("carol", Role::Owner)).unwrap();
    let roles: Vec<Role> = scene.relay.group(&user("alice"), group).unwrap().members.iter().map(|of| of.1).collect();
    assert_eq!(roles, [Role::Admin, Role::Admin, Role::Owner, Role::Member], "one owner at a time");
    change(&mut scene, "carol", group, 41, Change::End).unwrap();
    assert_eq!(says(&mut scene, "carol", group, 42), Err(Refusal::NotAllowed));
    assert!(scene.relay.groups(&user("carol"), None, 10).0.is_empty());
}

#[test]
fn m2_who_may_write_and_who_may_edit_is_the_groups_to_say() {
    let mut scene = scene(&["alice", "bob"]);
    let group = create(&mut scene, "alice", 1, &["bob"]).unwrap().group;
    let rename = |name: &str| Change::About(Edit { name: Some(name.to_owned()), ..Edit::default() });
    assert_eq!(change(&mut scene, "bob", group, 2, rename("Mine")).err(), Some(Refusal::NotAllowed));
    let rules = Edit { post: Some(Role::Admin), edit: Some(Role::Member), ..Edit::default() };
    assert_eq!(change(&mut scene, "bob", group, 3, Change::About(rules.clone())).err(), Some(Refusal::NotAllowed));
    change(&mut scene, "alice", group, 3, Change::About(rules.clone())).unwrap();
    let said = change(&mut scene, "bob", group, 4, rename("Ours")).unwrap();
    assert_eq!(said.made.len(), 1);
    assert_eq!(says(&mut scene, "bob", group, 5), Err(Refusal::NotAllowed));
    assert!(says(&mut scene, "alice", group, 6).is_ok());
    // Rules are an admin's, whoever may edit.
    let open = Edit { post: Some(Role::Member), ..Edit::default() };
    assert_eq!(change(&mut scene, "bob", group, 7, Change::About(open)).err(), Some(Refusal::NotAllowed));
    scene.dies(usize::MAX);
    let now = scene.relay.group(&user("bob"), group).unwrap().about;
    assert_eq!(now, About { name: "Ours".to_owned(), post: Role::Admin, edit: Role::Member, ..about() });
    // What is so already is no change.
    assert!(change(&mut scene, "alice", group, 8, Change::About(rules)).unwrap().made.is_empty());
}

#[test]
fn m2_an_owner_who_leaves_is_followed_by_the_oldest_admin_or_else_the_oldest_member() {
    let mut scene = scene(&["alice", "bob", "carol", "dave"]);
    let group = create(&mut scene, "alice", 1, &["bob", "carol"]).unwrap().group;
    change(&mut scene, "alice", group, 2, make("dave", Role::Admin)).unwrap();
    change(&mut scene, "alice", group, 3, make("carol", Role::Admin)).unwrap();
    let left = change(&mut scene, "alice", group, 4, remove("alice")).unwrap();
    let said: Vec<&Event> = left.made.iter().map(|made| &made.event).collect();
    assert_eq!(said, [&Event::Role { user: user("carol"), role: Role::Owner }, &Event::Left]);
    // An account that is gone leaves as well; nobody is an admin then but Dave.
    let mut out = Vec::new();
    let made = scene.relay.remove(scene.now, &user("carol"), &mut out);
    assert_eq!(made[0].event, Event::Role { user: user("dave"), role: Role::Owner });
    made.iter().for_each(|made| scene.relay.placed(made.id, made.position, event_body(made.position)));
    scene.commit(out, Default::default());
    change(&mut scene, "dave", group, 5, remove("dave")).unwrap();
    let view = scene.relay.group(&user("bob"), group).unwrap();
    assert_eq!(view.members, [(user("bob"), Role::Owner)]);
    let last = change(&mut scene, "bob", group, 6, remove("bob")).unwrap();
    assert_eq!(last.made[0].event, Event::Ended);
    scene.dies(usize::MAX);
    assert_eq!(scene.relay.group(&user("bob"), group), None);
}

#[test]
fn m2_m4_the_same_again_is_the_same_change_also_after_a_crash_and_after_what_came_since() {
    let mut scene = scene(&["alice", "bob", "carol"]);
    let made = create(&mut scene, "alice", 1, &["bob"]).unwrap();
    let group = made.group;
    change(&mut scene, "alice", group, 2, add("carol")).unwrap();
    change(&mut scene, "alice", group, 3, remove("carol")).unwrap();
    change(&mut scene, "bob", group, 4, remove("bob")).unwrap();
    for crashed in [false, true] {
        if crashed {
            scene.dies(usize::MAX);
        }
        let again = create(&mut scene, "alice", 1, &["bob"]).unwrap();
        assert_eq!((again.group, again.duplicate, again.made.len()), (group, true, 0));
        assert!(change(&mut scene, "alice", group, 2, add("carol")).unwrap().duplicate);
        assert!(change(&mut scene, "bob", group, 4, remove("bob")).unwrap().duplicate, "he is out of it meanwhile");
        assert_eq!(scene.relay.group(&user("alice"), group).unwrap().members.len(), 1);
        assert_eq!(change(&mut scene, "alice", group, 2, add("bob")).err(), Some(Refusal::ClientIdReused));
        // A name is its user's own.
        let done = change(&mut scene, "carol", group, 2, add("bob"));
        assert!(matches!(done, Err(Refusal::NoConversation | Refusal::NotAllowed)), "{done:?}");
    }
}

#[test]
fn m2_an_invitation_lets_in_until_it_is_revoked_or_another_is_made() {
    let mut scene = scene(&["alice", "bob", "carol"]);
    let group = create(&mut scene, "alice", 1, &[]).unwrap().group;
    let token = |number| InviteHash([number; 32]);
    let join = |scene: &mut Scene, by: &str, number: u32, invite| {
        let ask = Ask { by: user(by), client_id: ClientId(number.into()), group: None, change: Change::Join(invite) };
        scene.changes(&ask)
    };
    assert_eq!(join(&mut scene, "bob", 1, token(1)).err(), Some(Refusal::NoInvite));
    change(&mut scene, "alice", group, 2, Change::Invite(Some(token(1)))).unwrap();
    let joined = join(&mut scene, "bob", 2, token(1)).unwrap();
    assert_eq!((joined.group, &joined.made[0].event), (group, &Event::Joined));
    scene.dies(usize::MAX);
    assert!(join(&mut scene, "bob", 2, token(1)).unwrap().duplicate);
    assert!(join(&mut scene, "bob", 3, token(1)).unwrap().made.is_empty(), "he is in it");
    change(&mut scene, "alice", group, 4, Change::Invite(Some(token(2)))).unwrap();
    assert_eq!(join(&mut scene, "carol", 1, token(1)).err(), Some(Refusal::NoInvite));
    assert!(join(&mut scene, "bob", 2, token(1)).unwrap().duplicate, "what he did is done, whatever became of it");
    change(&mut scene, "alice", group, 5, Change::Invite(None)).unwrap();
    assert_eq!(join(&mut scene, "carol", 1, token(2)).err(), Some(Refusal::NoInvite));
    scene.dies(usize::MAX);
    assert_eq!(join(&mut scene, "carol", 1, token(2)).err(), Some(Refusal::NoInvite));
    change(&mut scene, "alice", group, 6, Change::Invite(Some(token(3)))).unwrap();
    change(&mut scene, "alice", group, 7, Change::End).unwrap();
    assert_eq!(join(&mut scene, "carol", 1, token(3)).err(), Some(Refusal::NoInvite), "it is over");
}

#[test]
fn m5_a_groups_tick_moves_when_the_last_of_those_has_it_who_were_there_and_are_still() {
    let mut scene = scene(&["alice", "bob", "carol", "dave"]);
    let group = create(&mut scene, "alice", 1, &["bob", "carol"]).unwrap().group;
    assert_eq!(says(&mut scene, "alice", group, 2), Ok(2));
    scene.acknowledges("bob", "phone").unwrap();
    scene.tells_receipts();
    assert_eq!(scene.ticks("alice", "phone", "bob"), (2, 0));
    assert_eq!(all(&mut scene, "alice", group), Some((0, 0)), "Carol has nothing");
    // Dave comes: what was before is not his to have.
    change(&mut scene, "alice", group, 3, add("dave")).unwrap();
    scene.leaves("dave", "phone");
    scene.acknowledges("carol", "phone").unwrap();
    scene.acknowledges("bob", "phone").unwrap();
    scene.tells_receipts();
    assert_eq!(all(&mut scene, "alice", group), Some((2, 0)));
    scene.reads_conversation("bob", "phone", group, 3).unwrap();
    scene.reads_conversation("carol", "phone", group, 3).unwrap();
    scene.tells_receipts();
    assert_eq!(all(&mut scene, "alice", group), Some((2, 2)), "the third entry is Dave's, too");
    // He goes, and nobody waits for him.
    change(&mut scene, "alice", group, 4, remove("dave")).unwrap();
    scene.tells_receipts();
    assert_eq!(all(&mut scene, "alice", group), Some((3, 3)));
    // The same to whoever comes back, and after a crash.
    scene.dies(usize::MAX);
    scene.connects("alice", "phone");
    assert_eq!(all(&mut scene, "alice", group), Some((3, 3)));
    // Bob hears of all but himself: Alice has her own entries as well.
    scene.connects("bob", "phone");
    assert_eq!(all(&mut scene, "bob", group).map(|all| all.1), Some(0), "Alice has read nothing");
}

#[test]
fn m5_who_waits_for_somebody_who_is_removed_hears_what_all_have_whoever_else_has_moved() {
    let mut scene = scene(&["alice", "bob", "carol"]);
    let group = create(&mut scene, "alice", 1, &["bob", "carol"]).expect("a group").group;
    let said = says(&mut scene, "alice", group, 2).expect("she is in it");
    scene.acknowledges("bob", "phone").expect("it was handed out");
    scene.tells_receipts();
    change(&mut scene, "alice", group, 3, remove("carol")).expect("it is hers");
    // Her own having, which is told to others, must not hide from her what theirs is without Carol.
    scene.acknowledges("alice", "phone").expect("it was handed out");
    scene.tells_receipts();
    assert!(all(&mut scene, "alice", group).is_some_and(|(delivered, _)| delivered >= said));
}

#[test]
fn m5_who_was_removed_is_waited_for_no_longer_even_if_the_program_dies_before_it_tells() {
    let mut scene = scene(&["alice", "bob", "carol"]);
    let group = create(&mut scene, "alice", 1, &["bob", "carol"]).expect("a group").group;
    let said = says(&mut scene, "alice", group, 2).expect("she is in it");
    for name in ["alice", "bob"] {
        scene.acknowledges(name, "phone").expect("it was handed out");
    }
    scene.tells_receipts();
    assert_eq!(all(&mut scene, "alice", group).map(|(delivered, _)| delivered), Some(0), "Carol has not got it");
    change(&mut scene, "alice", group, 3, remove("carol")).expect("it is hers");
    scene.acknowledges("alice", "phone").expect("it was handed out");
    scene.dies(scene.records.len());
    scene.connects("alice", "phone");
    assert!(scene.relay.has_receipts(), "what all have may be more without her");
    scene.tells_receipts();
    assert!(all(&mut scene, "alice", group).is_some_and(|(delivered, _)| delivered >= said));
}

#[test]
fn m5_who_comes_back_into_a_group_hears_that_before_anybodys_figures() {
    let mut scene = scene(&["alice", "bob", "carol"]);
    let group = create(&mut scene, "alice", 1, &["bob", "carol"]).expect("a group").group;
    says(&mut scene, "bob", group, 2).expect("he is in it");
    change(&mut scene, "alice", group, 3, remove("bob")).expect("it is hers");
    for name in ["alice", "bob", "carol"] {
        scene.acknowledges(name, "phone").expect("it was handed out");
    }
    scene.tells_receipts();
    says(&mut scene, "alice", group, 4).expect("she is in it");
    scene.acknowledges("carol", "phone").expect("it was handed out");
    // Told, and on its way to the disk when his device begins to follow and he comes back.
    let mut told = Vec::new();
    scene.relay.tell_receipts(scene.now, &mut told);
    let since = scene.records.len();
    scene.records.extend(told.into_iter().map(|record| (record, BodyRef::default())));
    scene.copied(since);
    let (bob, reader) = (scene.at("bob", "phone"), scene.reader("bob", "phone"));
    scene.relay.attach(bob, reader);
    scene.reads_on("bob", "phone");
    let hears_first = |items: &[Item]| {
        assert!(matches!(items, [Item::Entry(_), ..]), "the entry that he came: {items:?}");
    };
    let ticks = |scene: &Scene| scene.seen[&("bob".to_owned(), "phone".to_owned())].ticks.clone();
    let before = ticks(&scene);
    change(&mut scene, "alice", group, 5, add("bob")).expect("it is hers");
    assert_eq!(ticks(&scene), before, "figures of before he came");
    // The same for a device that reads it later.
    scene.relay.attach(bob, 90);
    let page = scene.relay.take(bob, 90, 100);
    hears_first(&page.items);
    assert!(!page.items.iter().any(|item| matches!(item, Item::Receipts { .. })), "{page:?}");
    // What moves since is for him too, and comes after.
    scene.relay.detach(bob, 90);
    scene.acknowledges("carol", "phone").expect("it was handed out");
    scene.tells_receipts();
    scene.relay.attach(bob, 91);
    let page = scene.relay.take(bob, 91, 100);
    hears_first(&page.items);
    assert!(matches!(page.items.last(), Some(Item::Receipts { .. })), "{page:?}");
}

#[test]
fn m2_a_group_and_its_people_have_no_end_of_room() {
    let limits = Limits { group_members_max: 3, conversations_per_user_max: 2, ..Limits::default() };
    let mut scene = scene_with(&["alice", "bob", "carol", "dave"], limits);
    let full = Refusal::GroupFull { limit: 3 };
    assert_eq!(create(&mut scene, "alice", 1, &["bob", "carol", "dave"]).err(), Some(full.clone()));
    let group = create(&mut scene, "alice", 2, &["bob", "carol"]).unwrap().group;
    assert_eq!(change(&mut scene, "alice", group, 3, add("dave")).err(), Some(full));
    change(&mut scene, "alice", group, 4, remove("carol")).unwrap();
    change(&mut scene, "alice", group, 5, add("dave")).unwrap();
    // Bob is in two: he may not be added, and makes none; why is not told to others.
    create(&mut scene, "bob", 1, &[]).unwrap();
    assert_eq!(create(&mut scene, "bob", 2, &[]).err(), Some(Refusal::Conversations { limit: 2 }));
    assert_eq!(create(&mut scene, "dave", 1, &["bob"]).err(), Some(Refusal::NotAddable));
    // What is over counts on: else making and ending them would have no end.
    let own = create(&mut scene, "carol", 1, &[]).unwrap().group;
    scene.acknowledges("carol", "phone").unwrap();
    change(&mut scene, "carol", own, 2, Change::End).unwrap();
    scene.acknowledges("carol", "phone").unwrap();
    change(&mut scene, "alice", group, 6, remove("bob")).unwrap();
    create(&mut scene, "carol", 3, &[]).unwrap();
    assert_eq!(create(&mut scene, "carol", 4, &[]).err(), Some(Refusal::Conversations { limit: 2 }));
}

#[test]
fn m2_who_comes_and_goes_without_fetching_is_not_added_for_ever() {
    let mut scene = scene(&["alice", "bob"]);
    let group = create(&mut scene, "alice", 1, &[]).unwrap().group;
    scene.leaves("bob", "phone");
    let mut number = 2;
    let mut times = 0;
    while times < 50 && change(&mut scene, "alice", group, number, add("bob")).is_ok() {
        change(&mut scene, "alice", group, number + 1, remove("bob")).unwrap();
        (number, times) = (number + 2, times + 1);
    }
    assert!((2..20).contains(&times), "{times}");
    // Once he has fetched what was, he may come again.
    scene.connects("bob", "phone");
    assert_eq!(events(&mut scene, "bob"), 2 * times);
    scene.acknowledges("bob", "phone").unwrap();
    change(&mut scene, "alice", group, number, add("bob")).unwrap();
    // A conversation of two is no group, whatever it is called.
    scene.sends("alice", "phone", "bob", 900).unwrap();
    let direct = ConversationId::direct(&user("alice"), &user("bob"));
    assert_eq!(says(&mut scene, "alice", direct, 901), Err(Refusal::NoConversation));
    assert_eq!(change(&mut scene, "alice", direct, 902, add("eve")).err(), Some(Refusal::NoConversation));
}
