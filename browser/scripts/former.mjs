// Where a search of names begins: with those that an earlier build found for the same code. A changed script is mostly the former one, so
// that little is left to find; without this each change would cost the minutes of the first search again.
import { analyse } from './names.mjs';

/** How much of the text around a place says that it is the same place, before and after it. */
const WINDOWS = [[24, 0], [0, 24], [5, 5], [12, 12], [40, 40]];

/** The script with each name as one sign, and where the bindings are in it. */
const outline = (code) => {
  const analysed = analyse(code);
  const { pieces, places, rest } = analysed.layout(analysed.runs.map((length) => [...Array(length).keys()]));
  let text = '';
  const at = [];
  places.forEach(({ index, key }, place) => {
    text += pieces[place] + (key === null ? '' : key + ':');
    at.push({ index, start: text.length });
    text += '\0';
  });
  return { ...analysed, text: text + rest, at };
};

/** By their surroundings: the places that are there exactly once. */
const unique = ({ text, at }, [before, after]) => {
  const found = new Map();
  for (const { index, start } of at) {
    const around = text.slice(Math.max(0, start - before), start) + '\0' + text.slice(start + 1, start + 1 + after);
    found.set(around, found.has(around) ? null : index);
  }
  return found;
};

/** For each binding of `code`: which one of the `former` script it was, or undefined. */
const matches = (now, former) => {
  const votes = now.bindings.map(() => new Map());
  for (const window of WINDOWS) {
    const there = unique(former, window);
    for (const [around, index] of unique(now, window)) {
      const other = there.get(around);
      if (index !== null && other != null) votes[index].set(other, (votes[index].get(other) || 0) + 1);
    }
  }
  return votes.map((of) => [...of].sort((one, other) => other[1] - one[1])[0]?.[0]);
};

/** The names that the bindings of `code` had in the built script `former` (undefined: a new one), and the order that its declarations had there. */
export const formerNames = (code, former) => {
  const [now, then] = [outline(code), outline(former)];
  const matched = matches(now, then);
  const placeOf = new Map(then.declared.flat().map((index, place) => [index, place]));
  const order = now.declared.map((bindings) => {
    let last = -1;
    const wish = bindings.map((index) => (last = placeOf.get(matched[index]) ?? last));
    return bindings.map((_, slot) => slot).sort((one, other) => wish[one] - wish[other] || one - other);
  });
  return { names: matched.map((index) => then.bindings[index]?.name), order };
};
