// Phone numbers as people type them, and the countries they may be of. The server has the last word on what a number is:
// here it only gets its country code, and loses what nobody dials from abroad.

/** ISO 3166 regions and their calling codes (ITU-T E.164). */
const CODES =
  "AC247 AD376 AE971 AF93 AG1 AI1 AL355 AM374 AO244 AR54 AS1 AT43 AU61 AW297 AX358 AZ994 BA387 BB1 BD880 BE32 BF226 " +
  "BG359 BH973 BI257 BJ229 BL590 BM1 BN673 BO591 BQ599 BR55 BS1 BT975 BW267 BY375 BZ501 CA1 CC61 CD243 CF236 CG242 " +
  "CH41 CI225 CK682 CL56 CM237 CN86 CO57 CR506 CU53 CV238 CW599 CX61 CY357 CZ420 DE49 DJ253 DK45 DM1 DO1 DZ213 EC593 " +
  "EE372 EG20 EH212 ER291 ES34 ET251 FI358 FJ679 FK500 FM691 FO298 FR33 GA241 GB44 GD1 GE995 GF594 GG44 GH233 GI350 " +
  "GL299 GM220 GN224 GP590 GQ240 GR30 GT502 GU1 GW245 GY592 HK852 HN504 HR385 HT509 HU36 ID62 IE353 IL972 IM44 IN91 " +
  "IO246 IQ964 IR98 IS354 IT39 JE44 JM1 JO962 JP81 KE254 KG996 KH855 KI686 KM269 KN1 KP850 KR82 KW965 KY1 KZ7 LA856 " +
  "LB961 LC1 LI423 LK94 LR231 LS266 LT370 LU352 LV371 LY218 MA212 MC377 MD373 ME382 MF590 MG261 MH692 MK389 ML223 MM95 " +
  "MN976 MO853 MP1 MQ596 MR222 MS1 MT356 MU230 MV960 MW265 MX52 MY60 MZ258 NA264 NC687 NE227 NF672 NG234 NI505 NL31 " +
  "NO47 NP977 NR674 NU683 NZ64 OM968 PA507 PE51 PF689 PG675 PH63 PK92 PL48 PM508 PR1 PS970 PT351 PW680 PY595 QA974 " +
  "RE262 RO40 RS381 RU7 RW250 SA966 SB677 SC248 SD249 SE46 SG65 SH290 SI386 SJ47 SK421 SL232 SM378 SN221 SO252 SR597 " +
  "SS211 ST239 SV503 SX1 SY963 SZ268 TA290 TC1 TD235 TG228 TH66 TJ992 TK690 TL670 TM993 TN216 TO676 TR90 TT1 TV688 " +
  "TW886 TZ255 UA380 UG256 US1 UY598 UZ998 VA39 VC1 VE58 VG1 VI1 VN84 VU678 WF681 WS685 XK383 YE967 YT262 ZA27 ZM260 ZW263";

/** Where the zero in front is a part of the number and is dialled from abroad too. */
const ZERO_STAYS = new Set(["IT", "SM", "VA", "CI", "CG", "BF", "BJ"]);

export interface Country {
  /** ISO 3166, as in `ES`. */
  region: string;
  /** In English, as the rest of the page. */
  name: string;
  /** Without the plus. */
  code: string;
}

let countries: Country[] | undefined;

/** All of them, by name. */
export function allCountries(): Country[] {
  if (countries) return countries;
  const names = new Intl.DisplayNames(["en"], { type: "region", fallback: "code" });
  countries = CODES.split(" ").map((entry) => {
    const region = entry.slice(0, 2);
    return { region, name: names.of(region) ?? region, code: entry.slice(2) };
  });
  return countries.sort((a, b) => a.name.localeCompare(b.name, "en"));
}

export function countryOf(region: string | undefined): Country | undefined {
  return allCountries().find((country) => country.region === region?.toUpperCase());
}

/** The country to begin with: the server's own, else the browser's. */
export function likelyRegion(ofServer: string | undefined, languages: readonly string[]): string {
  const spoken = languages.map((language) => {
    try {
      return new Intl.Locale(language).region;
    } catch {
      return undefined;
    }
  });
  return [ofServer, ...spoken].map((region) => countryOf(region)?.region).find(Boolean) ?? "US";
}

/** What is sent: `+34612345678`. Undefined where no digits were typed. A number that names its country keeps it. */
export function internationalNumber(typed: string, region: string): string | undefined {
  const plain = typed.normalize("NFKC").trim();
  const digits = plain.replace(/\D/g, "");
  if (digits === "") return undefined;
  // `+44 (0)7911 …` is how many write it: the zero is for those at home.
  if (plain.startsWith("+")) return `+${plain.replace(/\(0\)/g, "").replace(/\D/g, "")}`;
  if (digits.startsWith("00")) return `+${digits.slice(2)}`;
  const country = countryOf(region);
  return country ? `+${country.code}${withoutTrunk(digits, country)}` : digits;
}

/** Of countries that share a calling code, the one that is meant most often. */
const MAIN: Record<string, string> = {
  "1": "US",
  "7": "RU",
  "39": "IT",
  "44": "GB",
  "47": "NO",
  "61": "AU",
  "212": "MA",
  "246": "IO",
  "262": "RE",
  "290": "SH",
  "358": "FI",
  "590": "GP",
  "599": "CW",
};

/** The country that a number in international form is of, as far as its calling code tells; of several, the preferred one. */
export function regionOf(number: string, preferred?: string): string | undefined {
  const plain = number
    .normalize("NFKC")
    .replace(/[^\d+]/g, "")
    .replace(/^00/, "+");
  const code = plain.startsWith("+") ? codeOf(plain) : undefined;
  if (code === undefined) return undefined;
  if (countryOf(preferred)?.code === code) return preferred;
  return MAIN[code] ?? allCountries().find((country) => country.code === code)?.region;
}

/** Whether this looks like a phone number rather than a name. */
export function looksLikeNumber(typed: string): boolean {
  return /^[+(]?[\d\s().\-/]{4,}$/.test(typed.trim()) && typed.replace(/\D/g, "").length >= 4;
}

/** What is dialled first at home, and not from abroad. */
function withoutTrunk(digits: string, { region, code }: Country): string {
  if (code === "1") return digits.length === 11 && digits.startsWith("1") ? digits.slice(1) : digits;
  if (code === "7") return digits.length === 11 && /^[78]/.test(digits) ? digits.slice(1) : digits;
  if (region === "HU") return digits.replace(/^06/, "");
  return ZERO_STAYS.has(region) ? digits : digits.replace(/^0/, "");
}

/** `+34 612 345 678`: in groups that can be read aloud. */
export function spacedNumber(e164: string): string {
  const code = codeOf(e164);
  if (code === undefined) return e164;
  const rest = e164.slice(1 + code.length);
  const groups: string[] = [];
  let left = rest;
  while (left.length > 4) {
    groups.push(left.slice(0, 3));
    left = left.slice(3);
  }
  if (left) groups.push(left);
  return `+${code} ${groups.join(" ")}`;
}

/** The calling code that a number in international form begins with. No code is the beginning of another. */
function codeOf(e164: string): string | undefined {
  const known = new Set(allCountries().map((country) => country.code));
  return [1, 2, 3].map((length) => e164.slice(1, 1 + length)).find((code) => known.has(code));
}
