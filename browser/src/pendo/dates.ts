/** Dates in traits (rule C6 of contracts/pendo.md): which keys are dates, and every accepted form as RFC 3339 in UTC. */

const CLOCK = '(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,9}))?)?';
const ISO = RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)(?:[Tt ]${CLOCK} ?([Zz]|[+-]\\d\\d:?\\d\\d)?)?$`);
/** JavaScript's Date as text, and the date of a mail. The weekday may contradict the date. */
const WORDED = RegExp(
  `^(?:[A-Za-z]{3,9},? )?([A-Za-z]{3} \\d{1,2}|\\d{1,2} [A-Za-z]{3}) (\\d{4})(?: ${CLOCK}(?: ?((?:GMT|UTC)?[+-]\\d{4}|GMT|UTC?|Z))?(?: ?\\([^()]*\\))?)?$`,
);

/** Whether the last word of a key, split at `_` and at changes of case, names a date. */
export const isDateKey = (key: string): boolean =>
  /(^|_)(at|date|datetime|timestamp|birthday|dob|since|until)_*$/.test(
    key.replace(/([a-z\d])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$2_').toLowerCase(),
  );

/** The date as text, or undefined when it is none, or ambiguous. */
export const asDate = (value: unknown): string | undefined => {
  const text = String(value).trim();
  if (/^\d{1,20}(\.\d{1,9})?$/.test(text)) return fromNumber(+text);
  let [, year, month, day, ...rest] = ISO.exec(text) || ([] as string[]);
  if (!year) {
    const [, words, found, ...clock] = WORDED.exec(text) || ([] as string[]);
    if (!words) return undefined;
    // The date of a mail always has a clock.
    if (/^\d/.test(words) && !clock[0]) return undefined;
    const number = 'janfebmaraprmayjunjulaugsepoctnovdec'.indexOf(words.replace(/[\d ]/g, '').toLowerCase()) / 3 + 1;
    [year, month, day, rest] = [found, ('0' + number).slice(-2), ('0' + words.replace(/\D/g, '')).slice(-2), clock];
  }
  return fromParts(`${year}-${month}-${day}`, rest);
};

/** Seconds or milliseconds since 1970, told apart by their size. */
const fromNumber = (number: number): string | undefined =>
  number >= 1e8 && number < 1e14 ? new Date(Math.trunc(number < 1e11 ? number * 1000 : number)).toISOString() : undefined;

const fromParts = (day: string, clock: (string | undefined)[]): string | undefined => {
  const [hour = '00', minute = '00', second = '00', fraction = '', zone = ''] = clock;
  const local = new Date(`${day}T${hour}:${minute}:${second}.${(fraction + '00').slice(0, 3)}Z`);
  const [, sign, hours, minutes] = /([+-])(\d\d):?(\d\d)/.exec(zone) || ['', '', 0, 0];
  const offset = +hours! * 60 + +minutes!;
  try {
    // A day that does not exist moves on to another one, an hour that does not exist makes no date at all.
    if (local.toISOString().slice(0, 10) !== day || offset > 1439) return undefined;
    const text = new Date(+local - +(sign + '60000') * offset).toISOString();
    return text.length === 24 && text > '0001' ? text : undefined;
  } catch (_) {
    return undefined;
  }
};
