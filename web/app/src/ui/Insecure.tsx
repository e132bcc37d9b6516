// Browsers give microphone and camera to secure pages only. Whoever came by plain http learns it before the first call.

import { Icon } from "./Icon.js";

export function Insecure() {
  if (window.isSecureContext && navigator.mediaDevices !== undefined) return null;
  const secure = `https://${location.host}`;
  return (
    <div class="notice warn" role="note" data-testid="insecure">
      <Icon name="micOff" />
      <p>
        {window.isSecureContext
          ? "This browser gives pages no microphone: calls need another one."
          : `This page came by http: browsers give it no microphone and no camera. Open ${secure} instead, or run the server with --lan.`}
      </p>
    </div>
  );
}
