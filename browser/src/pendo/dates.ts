/** Dates in traits (rule C6 of contracts/pendo.md): which keys are dates, and every accepted form as RFC 3339 in UTC. */

import { attempt, iso } from '../util';

const CLOCK = '(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,9}))?)?';
const ISO = RegExp(`^(\\d{4}-\\d\\d-\\d\\d)(?:[Tt ]${CLOCK} ?([Zz]|[+-]\\d\\d:?\\d\\d)?)?$`);
/** JavaScript's Date as text, and the date of a mail, which always has a clock. The weekday may contradict the date. */
const WORDED = RegExp(
  `^(?:[A-Za-z]{3,9},? )?((?:[A-Za-z]{3} \\d{1,2}|\\d{1,2} [A-Za-z]{3}(?= \\d{4} )) \\d{4})(?: ${CLOCK}(?: ?((?:GMT|UTC)?[+-]\\d{4}|GMT|UTC?|Z))?(?: ?\\([^()]*\\))?)?$`,
);

/** Whether the last word of a key, split at `_` and at changes of case, names a date. */
export const isDateKey = (key: string): boolean =>
  /(^|_)(at|date(time)?|timestamp|birthday|dob|since|until)_*$/.test(
    key.replace(/([a-z\d])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$2_').toLowerCase(),
  );

/** The date as text, or undefined when it is none, or ambiguous. What is no date at all throws inside. */
export const asDate = (value: unknown): string | undefined =>
  attempt(() => {
    const text = String(value).trim();
    // Seconds or milliseconds since 1970, told apart by their size.
    if (/^\d{1,20}(\.\d{1,9})?$/.test(text)) return +text < 1e8 || +text >= 1e14 ? undefined : iso(+text < 1e11 ? +text * 1000 : +text);
    const [, words, hour = '00', minute = '00', second = '00', fraction = '', zone = ''] = ISO.exec(text) || (WORDED.exec(text) as any);
    const day = /-/.test(words) ? words : iso(words + ' UTC').slice(0, 10);
    const at = (offset: string): string => iso(`${day}T${hour}:${minute}:${second}.${(fraction + '00').slice(0, 3)}` + offset);
    const found = at(zone.replace(/\D*(?=[+-])/, '').replace(/(\d\d)(?=\d\d)/, '$1:').replace(/^\D*$/, 'Z'));
    // A day that does not exist moves on to another one. Years have four digits.
    return (day === words || +day.slice(8) === +(/\d+/.exec(words) as any)) && at('Z').startsWith(day) && /^(?!0000)\d{4}-/.test(found) ? found : undefined;
  });
