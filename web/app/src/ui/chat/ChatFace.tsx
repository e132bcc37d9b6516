// The face of a conversation: a person's, or a group's picture.

import { Chats } from "../../chats.js";
import type { Store } from "../../store.js";
import { Avatar } from "../Avatar.js";

interface Props {
  store: Store;
  chat: string;
  /** It is not said whether they are here. */
  quiet?: boolean;
}

export function ChatFace({ store, chat, quiet = false }: Props) {
  const user = Chats.userOf(chat);
  if (user === undefined) return <Avatar id={chat} name={store.chats.titleOf(chat)} picture={pictureOf(store, chat)} />;
  const person = store.personOf(user);
  const online = quiet || user === store.userId ? undefined : (store.here.of(user)?.online ?? person?.online);
  return <Avatar id={user} name={person?.name ?? store.chats.titleOf(chat)} online={online} deleted={person?.deleted} />;
}

/** Where the picture of a group is, once it is here. */
export function pictureOf(store: Store, chat: string): string | undefined {
  const conversation = store.chats.api?.conversation(chat);
  const icon = conversation?.group?.icon;
  return icon === undefined || conversation?.id === undefined ? undefined : store.icons.of(conversation.id, icon);
}
