// What a group looks like, what it is called and for, who may do what in it, and what each of its people is: for those who may change it.

import { useRef, useState } from "preact/hooks";
import { mayAs, TertuliaError, type GroupFacts, type GroupRole } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { sayRefusal } from "../../words-media.js";
import { Avatar } from "../Avatar.js";
import { pictureOf } from "./ChatFace.js";
import { withGroups } from "./GroupInfo.js";

interface Props {
  store: Store;
  id: string;
  group: GroupFacts;
}

/** Its picture: another one, or none. */
export function GroupPicture({ store, chat, id, group }: Props & { chat: string }) {
  const input = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const choose = async (field: HTMLInputElement) => {
    const [file] = field.files ?? [];
    field.value = "";
    if (!file) return;
    setBusy(true);
    try {
      const icon = await store.icons.send(file);
      await withGroups(store, (groups) => groups.update(id, { icon }));
    } catch (error) {
      if (!(error instanceof TertuliaError)) throw error;
      store.toast(sayRefusal(error, file.name), "bad");
    }
    setBusy(false);
  };
  return (
    <div class="group-picture">
      <Avatar id={chat} name={group.name} picture={pictureOf(store, chat)} />
      <button type="button" class="secondary small" data-testid="group-icon" aria-busy={busy} disabled={busy} onClick={() => input.current?.click()}>
        {group.icon === undefined ? "Choose a picture" : "Another picture"}
      </button>
      {group.icon !== undefined && !busy && (
        <button type="button" class="secondary small" data-testid="group-icon-none" onClick={() => void withGroups(store, (groups) => groups.update(id, { icon: null }))}>
          No picture
        </button>
      )}
      <input
        ref={input}
        class="hidden"
        type="file"
        tabIndex={-1}
        aria-hidden
        accept="image/*"
        data-testid="group-icon-input"
        onChange={({ currentTarget }) => void choose(currentTarget)}
      />
    </div>
  );
}

/** Name and description. */
export function GroupAbout({ store, id, group }: Props) {
  const [name, setName] = useState(group.name);
  const [description, setDescription] = useState(group.description);
  const changed = {
    ...(name.trim() !== group.name && { name: name.trim() }),
    ...(description.trim() !== group.description && { description: description.trim() }),
  };
  const save = (event: Event) => {
    event.preventDefault();
    void withGroups(store, (groups) => groups.update(id, changed));
  };
  return (
    <form class="inline-form" onSubmit={save}>
      <label for="group-name">Its name</label>
      <input
        id="group-name"
        class="field"
        data-testid="group-name"
        value={name}
        maxLength={100}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <label for="group-description">What it is for</label>
      <textarea
        id="group-description"
        class="field"
        data-testid="group-description"
        rows={2}
        dir="auto"
        value={description}
        maxLength={1_000}
        onInput={(event) => setDescription(event.currentTarget.value)}
      />
      {Object.keys(changed).length > 0 && (
        <button type="submit" class="secondary" data-testid="group-rename" disabled={name.trim() === ""}>
          Save
        </button>
      )}
    </form>
  );
}

/** Who may write, and who may change what it is called. */
export function GroupRights({ store, id, group }: Props) {
  const choice = (right: "post" | "edit", label: string) => (
    <div class="choice-line">
      <label for={`group-${right}`}>{label}</label>
      <select
        id={`group-${right}`}
        class="field"
        data-testid={`group-${right}`}
        value={group[right] === "member" ? "member" : "admin"}
        onChange={(event) => {
          const role = event.currentTarget.value as GroupRole;
          void withGroups(store, (groups) => groups.update(id, { [right]: role }));
        }}
      >
        <option value="member">Everyone in it</option>
        <option value="admin">Admins</option>
      </select>
    </div>
  );
  return (
    <div class="group-rights">
      {choice("post", "Who may write")}
      {choice("edit", "Who may change this")}
    </div>
  );
}

const ROLES: [GroupRole, string][] = [
  ["member", "Member"],
  ["admin", "Admin"],
  ["owner", "Owner"],
];

interface RoleProps extends Props {
  user: string;
  role: GroupRole;
  me: string;
}

/** What somebody is: to be chosen by whoever stands above them, up to what they are themselves. */
export function Role({ store, id, group, user, role, me }: RoleProps) {
  const owner = mayAs(group, me, "owner");
  const may = user !== me && (owner || (mayAs(group, me, "admin") && role === "member"));
  if (!may) return role === "member" ? null : <span class="about">{role === "owner" ? "Owner" : "Admin"}</span>;
  const name = store.nameOf(user);
  return (
    <select
      class="role"
      data-testid="role"
      aria-label={`What ${name} is`}
      value={role}
      onChange={(event) => {
        const chosen = event.currentTarget.value as GroupRole;
        void withGroups(store, (groups) => groups.put(id, user, chosen));
      }}
    >
      {ROLES.filter(([one]) => owner || one !== "owner").map(([one, words]) => (
        <option key={one} value={one}>
          {words}
        </option>
      ))}
    </select>
  );
}
