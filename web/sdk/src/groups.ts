// Groups over HTTP: making them, and who is in them. What happens to a group comes as an entry of its conversation.

import { askAs, blobAs, type Bearer } from "./http.js";
import type { Group, GroupInvite, GroupNew, GroupPatch, GroupRole, Groups } from "./proto.js";
import { uuid } from "./messages/uuid.js";

/** Pages of groups that are read at most: more than a user may be in. */
const PAGES_MAX = 100;

/** What a signed-in person can do with groups. `client.groups` is one. What it hears of a group it tells to `keep`. */
export class GroupsApi {
  readonly #server: string;
  readonly #bearer: Bearer;
  readonly #keep: (group: Group) => Promise<void>;

  constructor(server: string, token: string | Bearer, keep: (group: Group) => Promise<void> = () => Promise.resolve()) {
    this.#server = server;
    this.#bearer = typeof token === "string" ? () => token : token;
    this.#keep = keep;
  }

  /** Makes a group. Sent again with the same `client_id`, it is the same group. */
  create(group: Omit<GroupNew, "client_id"> & { client_id?: string }): Promise<Group> {
    return this.#group("POST", "/v1/groups", { client_id: uuid(), ...group });
  }

  /** All that this user is in. */
  async list(): Promise<Group[]> {
    const all: Group[] = [];
    let after: string | undefined;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const query = after === undefined ? "" : `?after=${encodeURIComponent(after)}`;
      const answer = await this.#ask<Groups>("GET", `/v1/groups${query}`);
      all.push(...answer.groups);
      for (const group of answer.groups) await this.#keep(group);
      after = answer.next;
      if (after === undefined) break;
    }
    return all;
  }

  get(groupId: string): Promise<Group> {
    return this.#group("GET", path(groupId));
  }

  update(groupId: string, patch: GroupPatch): Promise<Group> {
    return this.#group("PATCH", path(groupId), patch);
  }

  /** Its picture, as large as a thumbnail, for who is in it; `not_found` where it has none. To set it: `update` with the id of a picture. */
  icon(groupId: string, signal?: AbortSignal): Promise<Blob> {
    return blobAs(this.#bearer, this.#server, `${path(groupId)}/icon`, { signal });
  }

  /** Ends it, for all. */
  end(groupId: string): Promise<void> {
    return this.#ask("DELETE", path(groupId));
  }

  /** Adds somebody, or makes them something else. */
  put(groupId: string, userId: string, role?: GroupRole): Promise<Group> {
    return this.#group("PUT", `${path(groupId)}/members/${encodeURIComponent(userId)}`, role === undefined ? {} : { role });
  }

  /** Removes somebody; oneself: leaves. */
  remove(groupId: string, userId: string): Promise<void> {
    return this.#ask("DELETE", `${path(groupId)}/members/${encodeURIComponent(userId)}`);
  }

  /** A new invitation: whoever has the token may join. The one before is good no more. */
  async invite(groupId: string): Promise<string> {
    return (await this.#ask<GroupInvite>("POST", `${path(groupId)}/invite`)).token;
  }

  /** The invitation is good no more. */
  revokeInvite(groupId: string): Promise<void> {
    return this.#ask("DELETE", `${path(groupId)}/invite`);
  }

  /** Joins by an invitation; `invite_over` if it is good no more. */
  join(token: string): Promise<Group> {
    return this.#group("POST", `/v1/groups/join/${encodeURIComponent(token)}`);
  }

  async #group(method: string, to: string, body?: object): Promise<Group> {
    const group = await this.#ask<Group>(method, to, body);
    await this.#keep(group);
    return group;
  }

  #ask<T>(method: string, to: string, body?: object): Promise<T> {
    // The same name for the same change, should it be asked for twice.
    const headers = { "tertulia-client-id": uuid() };
    return askAs<T>(this.#bearer, this.#server, method, to, { headers, ...(body && { body }) });
  }
}

function path(groupId: string): string {
  return `/v1/groups/${encodeURIComponent(groupId)}`;
}
