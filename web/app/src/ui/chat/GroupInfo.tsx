// About a group: who is in it, adding and removing, inviting, and leaving. What can be set is in GroupSettings.

import { useState } from "preact/hooks";
import { mayAs, roleIn, TertuliaError, type GroupFacts, type GroupsApi } from "@tertulia/sdk";
import { inviteAddress } from "../../account.js";
import type { Store } from "../../store.js";
import { sayError } from "../../words.js";
import { Avatar } from "../Avatar.js";
import { Confirm, Dialog } from "../Dialog.js";
import { Icon } from "../Icon.js";
import { copy } from "../media/Card.js";
import { Chooser } from "../media/Chooser.js";
import { GroupAbout, GroupPicture, GroupRights, Role } from "./GroupSettings.js";

interface Props {
  store: Store;
  chat: string;
  group: GroupFacts;
  close: () => void;
}

/** Does something with groups, or says why not. */
export async function withGroups<T>(store: Store, act: (groups: GroupsApi) => Promise<T>): Promise<T | undefined> {
  const groups = store.client?.groups;
  if (!groups) return undefined;
  try {
    return await act(groups);
  } catch (error) {
    if (!(error instanceof TertuliaError)) throw error;
    store.toast(sayError(error, ""), "bad");
    return undefined;
  }
}

export function GroupInfo({ store, chat, group, close }: Props) {
  const me = store.userId ?? "";
  const id = store.chats.api?.conversation(chat)?.id;
  const [adding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const [invite, setInvite] = useState<string | undefined>();
  if (id === undefined) return null;
  const [admin, edits] = [mayAs(group, me, "admin"), mayAs(group, me, group.edit)];
  if (leaving) {
    const leave = () => void withGroups(store, (groups) => groups.remove(id, me)).then(close);
    return (
      <Confirm store={store} title="Leave this group?" testId="leave-sure" verb="Leave" onConfirm={leave} close={() => setLeaving(false)}>
        <p>You will get nothing that is written in it from then on. What is here stays here.</p>
      </Confirm>
    );
  }
  return (
    <Dialog store={store} title={group.name || "Group"} testId="group" close={close}>
      {edits ? (
        <>
          {store.limits && <GroupPicture store={store} chat={chat} id={id} group={group} />}
          <GroupAbout store={store} id={id} group={group} />
        </>
      ) : (
        group.description !== "" && (
          <p class="say group-says" dir="auto">
            {group.description}
          </p>
        )
      )}
      {admin && <GroupRights store={store} id={id} group={group} />}
      <ul class="rows" data-testid="members">
        {group.members.map(({ user_id: user, role }) => (
          <li key={user} class="row" data-testid={`member-${user}`}>
            <Avatar id={user} name={store.nameOf(user)} />
            <span class="who">
              <span class="name">{user === me ? "You" : store.nameOf(user)}</span>
              <Role store={store} id={id} group={group} user={user} role={role} me={me} />
            </span>
            {admin && user !== me && role !== "owner" && (
              <button
                type="button"
                class="secondary small"
                data-testid="remove-member"
                aria-label={`Remove ${store.nameOf(user)}`}
                onClick={() => void withGroups(store, (groups) => groups.remove(id, user))}
              >
                Remove
              </button>
            )}
          </li>
        ))}
      </ul>
      {adding && (
        <Chooser
          store={store}
          verb="Add"
          choose={(person) => void withGroups(store, (groups) => groups.put(id, person.user_id))}
          instead={(person) => (roleIn(group, person.user_id) ? <span class="about">Is here</span> : undefined)}
        />
      )}
      {invite !== undefined && (
        <Invite
          store={store}
          token={invite}
          takeBack={() => void withGroups(store, (groups) => groups.revokeInvite(id)).then(() => setInvite(undefined))}
        />
      )}
      <div class="dialog-foot group-foot">
        {admin && invite === undefined && (
          <button
            type="button"
            class="secondary"
            data-testid="invite"
            onClick={() => void withGroups(store, (groups) => groups.invite(id)).then(setInvite)}
          >
            <Icon name="link" size={20} /> Invite by a link
          </button>
        )}
        {admin && !adding && (
          <button type="button" class="secondary" data-testid="add-member" onClick={() => setAdding(true)}>
            <Icon name="plus" size={20} /> Add someone
          </button>
        )}
        {roleIn(group, me) && (
          <button type="button" class="secondary bad" data-testid="leave-group" onClick={() => setLeaving(true)}>
            <Icon name="leave" size={20} /> Leave
          </button>
        )}
      </div>
    </Dialog>
  );
}

/** What one sends to those whom one invites. */
function Invite({ store, token, takeBack }: { store: Store; token: string; takeBack: () => void }) {
  const address = inviteAddress(location.origin, token);
  return (
    <div class="address" role="status">
      <p>Whoever opens this address may join, until a new one is made or it is taken back:</p>
      <code data-testid="invite-address">{address}</code>
      <button type="button" class="secondary small" onClick={() => void copy(store, address, "The invitation is on your clipboard")}>
        <Icon name="link" size={20} /> Copy
      </button>
      <button type="button" class="secondary small bad" data-testid="revoke-invite" onClick={takeBack}>
        Take it back
      </button>
    </div>
  );
}
