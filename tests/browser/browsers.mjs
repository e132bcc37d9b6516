// Debian's browsers, headless, with a file for a camera and a file for a microphone.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { plugInSpeaker } from "./speaker.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

/** A Chromium whose devices are these files, in this network. Its contexts share them, and nothing else. */
export function launchChromium({ camera, microphone }, network) {
  return puppeteer.launch({
    executablePath: network?.wrapper(CHROMIUM) ?? CHROMIUM,
    headless: true,
    pipe: true,
    args: [
      "--no-sandbox",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-gpu",
      "--ignore-certificate-errors", // the servers' are the tests' own
      "--autoplay-policy=no-user-gesture-required",
      "--use-fake-ui-for-media-stream",
      "--use-fake-device-for-media-stream",
      `--use-file-for-fake-video-capture=${camera}`,
      `--use-file-for-fake-audio-capture=${microphone}`,
    ],
  });
}

/** A Firefox with its own fake devices: a picture that changes its colour, and a tone. */
export async function launchFirefox() {
  const profile = mkdtempSync(join(tmpdir(), "tertulia-firefox-"));
  const speaker = await plugInSpeaker();
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: FIREFOX,
    headless: true,
    userDataDir: profile,
    env: { ...process.env, ...speaker.env },
    extraPrefsFirefox: {
      "media.navigator.streams.fake": true,
      "media.navigator.permission.disabled": true,
      "media.autoplay.default": 0,
      "media.autoplay.blocking_policy": 0,
      "network.captive-portal-service.enabled": false,
      "network.connectivity-service.enabled": false,
      "toolkit.telemetry.enabled": false,
    },
  });
  const close = browser.close.bind(browser);
  browser.close = async () => {
    await close();
    await speaker.unplug();
    rmSync(profile, { recursive: true, force: true });
  };
  return browser;
}
