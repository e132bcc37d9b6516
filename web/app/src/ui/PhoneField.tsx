// A phone number: the country beside it, chosen once or taken from the number itself.

import type { Ref } from "preact";
import { allCountries, countryOf, regionOf } from "../phone.js";
import { Icon } from "./Icon.js";

interface Props {
  id: string;
  testId: string;
  number: string;
  region: string;
  onChange: (number: string, region: string) => void;
  inputRef?: Ref<HTMLInputElement>;
  describedBy?: string | undefined;
  invalid?: boolean;
}

export function PhoneField({ id, testId, number, region, onChange, inputRef, describedBy, invalid }: Props) {
  const country = countryOf(region);
  return (
    <div class="phone-field">
      <span class="country">
        <span class="code" aria-hidden="true">
          +{country?.code}
          <Icon name="down" size={16} />
        </span>
        <select
          aria-label="Country"
          data-testid={`${testId}-country`}
          value={region}
          onChange={(event) => onChange(number, event.currentTarget.value)}
        >
          {allCountries().map(({ region: value, name, code }) => (
            <option key={value} value={value}>
              {name} (+{code})
            </option>
          ))}
        </select>
      </span>
      <input
        id={id}
        ref={inputRef ?? null}
        type="tel"
        inputMode="tel"
        autocomplete="tel"
        data-testid={testId}
        value={number}
        onInput={(event) => {
          const typed = event.currentTarget.value;
          onChange(typed, regionOf(typed, region) ?? region);
        }}
        required
        maxLength={40}
        aria-invalid={invalid}
        aria-describedby={describedBy}
      />
    </div>
  );
}
