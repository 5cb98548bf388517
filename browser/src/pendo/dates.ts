/** Dates in traits (rule C6 of contracts/pendo.md): which keys are dates, and every accepted form as RFC 3339 in UTC. */

const CLOCK = '(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,9}))?)?';
const DAY_NAME = '^(?:[A-Za-z]{3,9},? )?';
const NOTE = '(?: ?\\([^()]*\\))?';
const MONTH = '([A-Za-z]{3})';

/** Each form with the places of year, month and day; hour, minute, second, fraction and zone follow. */
const FORMS: [RegExp, number, number, number][] = [
  [RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)(?:[Tt ]${CLOCK} ?([Zz]|[+-]\\d\\d:?\\d\\d)?)?$`), 1, 2, 3],
  // JavaScript's Date as text; the weekday may contradict the date.
  [RegExp(`${DAY_NAME}${MONTH} (\\d{1,2}) (\\d{4})(?: ${CLOCK}(?: ?((?:GMT|UTC)?[+-]\\d{4}|GMT|UTC|Z))?${NOTE})?$`), 3, 1, 2],
  [RegExp(`${DAY_NAME}(\\d{1,2}) ${MONTH} (\\d{4}) ${CLOCK}(?: ([+-]\\d{4}|GMT|UTC|UT|Z))?${NOTE}$`), 3, 2, 1],
];
const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec';

/** Whether the last word of a key, split at `_` and at changes of case, names a date. */
export const isDateKey = (key: string): boolean =>
  /(^|_)(at|date|datetime|timestamp|birthday|dob|since|until)_*$/.test(
    key.replace(/([a-z\d])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$2_').toLowerCase(),
  );

/** The date as text, or undefined when it is none, or ambiguous. */
export const asDate = (value: unknown): string | undefined => {
  if (typeof value === 'number') return fromNumber(value);
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (/^\d{1,20}(\.\d{1,9})?$/.test(text)) return fromNumber(+text);
  for (const [form, year, month, day] of FORMS) {
    const found = form.exec(text);
    if (found) return fromParts(found, year, month, day);
  }
  return undefined;
};

/** Seconds or milliseconds since 1970, told apart by their size. */
const fromNumber = (number: number): string | undefined => {
  if (!(number >= 1e8 && number < 1e14)) return undefined;
  return new Date(Math.trunc(number < 1e11 ? number * 1000 : number)).toISOString();
};

const two = (digits: string | number): string => ('0' + digits).slice(-2);

const fromParts = (found: RegExpExecArray, yearAt: number, monthAt: number, dayAt: number): string | undefined => {
  const [hour = '00', minute = '00', second = '00', fraction = '', zone = ''] = found.slice(4);
  const name = found[monthAt]!;
  const month = +name || MONTHS.indexOf(name.toLowerCase()) / 3 + 1;
  const day = `${found[yearAt]}-${two(month)}-${two(found[dayAt]!)}`;
  const local = new Date(`${day}T${hour}:${minute}:${second}.${(fraction + '000').slice(0, 3)}Z`);
  const [, sign, hours, minutes] = /([+-])(\d\d):?(\d\d)/.exec(zone) || [];
  const offset = sign ? +(sign + 1) * (+hours! * 60 + +minutes!) : 0;
  try {
    // A day that does not exist moves on to another one, an hour that does not exist makes no date at all.
    if (local.toISOString().slice(0, 10) !== day || Math.abs(offset) >= 1440) return undefined;
    const text = new Date(+local - offset * 60000).toISOString();
    return text.length === 24 && text > '0001' ? text : undefined;
  } catch (_) {
    return undefined;
  }
};
