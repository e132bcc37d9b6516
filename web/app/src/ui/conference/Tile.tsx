// One person in a group call, or their screen: the picture or else the face, the name, and what there is to know of them.

import { useEffect, useState } from "preact/hooks";
import type { Call, Grade } from "@tertulia/sdk";
import { sayGrade } from "../../figures.js";
import { Avatar } from "../Avatar.js";
import { Bars, Icon } from "../Icon.js";
import { Video } from "../Stream.js";
import type { TileOf } from "./tiles.js";

interface Props {
  call: Call;
  tile: TileOf;
  /** How the connection of theirs is. */
  grade: Grade;
  speaking: boolean;
  pinned: boolean;
  /** It is the one that is shown large. */
  large?: boolean;
  onPin: () => void;
}

export function Tile({ call, tile, grade, speaking, pinned, large = false, onPin }: Props) {
  const { kind, me, member, user } = tile;
  const own = useOwnStream(call, me);
  const entry = member?.entry;
  const screen = kind === "screen";
  const held = entry?.held === true || call.held;
  const stream = me ? own : screen ? member?.streams.screen : member?.streams.camera;
  const wanted = screen || (me ? call.media.camera : entry?.camera === true);
  const picture = !held && wanted && (stream?.getTracks().length ?? 0) > 0;
  const name = me ? "You" : user.name;
  const mirrored = me && isMirrored(call);
  const is = { own: me, mirrored, speaking, large, "with-picture": picture };
  const classes = ["tile", kind, ...Object.entries(is).map(([name, on]) => on && name)];
  return (
    <li
      class={classes.filter(Boolean).join(" ")}
      data-testid={`tile-${user.user_id}${screen ? "-screen" : ""}`}
      data-tile={member && !me ? tile.key : undefined}
      data-user={user.user_id}
    >
      {kind === "ringing" ? (
        <div class="tile-face ringing">
          <Avatar id={user.user_id} name={user.name} />
        </div>
      ) : (
        <>
          {!screen && (
            <div class="tile-face">
              <Avatar id={user.user_id} name={user.name} />
            </div>
          )}
          <Video
            stream={stream}
            testId={me ? "self-video" : `${screen ? "screen" : "video"}-${user.user_id}`}
            label={me ? "Your own camera" : `${screen ? "Screen" : "Camera"} of ${user.name}`}
            hidden={!picture}
            filled={!screen}
          />
        </>
      )}
      <p class="tile-name">
        {entry?.mic === false && !screen && <Icon name="micOff" size={16} />}
        <span class="name">{screen ? `${name}’s screen` : name}</span>
        <span class="hidden">
          {entry?.mic === false && !screen ? ", muted" : ""}
          {kind === "ringing" ? ", ringing" : ""}
        </span>
        {kind === "ringing" && <span aria-hidden="true">rings…</span>}
        {entry?.held && <span class="aside">on hold</span>}
      </p>
      {!screen && entry?.hand_at !== undefined && (
        <p class="tile-hand" data-testid={`hand-${user.user_id}`}>
          <Icon name="hand" size={22} />
          <span class="hidden">{name}: hand up</span>
        </p>
      )}
      {!me && !screen && (grade === "poor" || grade === "fair" || grade === "lost") && (
        <p class="tile-quality" title={`Connection of ${name}: ${sayGrade(grade)}`}>
          <Bars level={grade} />
          <span class="hidden">Connection: {sayGrade(grade)}</span>
        </p>
      )}
      {kind !== "ringing" && (
        <button
          type="button"
          class="tile-pin"
          data-testid={`pin-${user.user_id}${screen ? "-screen" : ""}`}
          aria-pressed={pinned}
          aria-label={`${pinned ? "Unpin" : "Pin"} ${screen ? `${user.name}’s screen` : me ? "yourself" : user.name}`}
          title={pinned ? "Show all alike" : "Show large"}
          onClick={onPin}
        >
          <Icon name="pin" size={20} />
        </button>
      )}
    </li>
  );
}

/** One's own camera as a stream that stays, whatever track is in it. */
function useOwnStream(call: Call, me: boolean): MediaStream | undefined {
  const [stream] = useState(() => (me ? new MediaStream() : undefined));
  const track = me ? call.local.track("camera") : undefined;
  useEffect(() => {
    for (const old of stream?.getTracks() ?? []) stream?.removeTrack(old);
    if (track) stream?.addTrack(track);
  }, [stream, track]);
  return stream && track ? withTrack(stream, track) : stream;
}

/** The effect comes after the paint; what is painted goes by the track that there is. */
function withTrack(stream: MediaStream, track: MediaStreamTrack): MediaStream {
  if (!stream.getTracks().includes(track)) {
    for (const old of stream.getTracks()) stream.removeTrack(old);
    stream.addTrack(track);
  }
  return stream;
}

function isMirrored(call: Call): boolean {
  return call.local.track("camera")?.getSettings().facingMode !== "environment";
}
