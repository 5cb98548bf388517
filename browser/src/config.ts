/** The source's configuration: asked from the server until it answers. */

import { error } from './log';
import { attempt, isFunction, isList, isObject, isString, parse, type Dict } from './util';

const TIMEOUT_MS = 10000;
const RETRY_MS_MAX = 60000;

export const configAddress = (base: string, writeKey: string, version: string, installType: string): string => {
  const url = new URL(base);
  const path = url.pathname.replace(/\/+$/, '');
  if (!path.endsWith('/sourceConfig')) url.pathname = path + '/sourceConfig/';
  // What the page put into the address wins.
  const extra: Dict = { p: installType, v: version, writeKey };
  for (const key of Object.keys(extra)) if (!url.searchParams.has(key)) url.searchParams.set(key, extra[key]);
  return url.href;
};

const isSound = (config: any): boolean =>
  isObject(config) && isObject(config.source) && config.source.id != null && isList(config.source.destinations);

/** Calls `take` once with the configuration, and `failed` after each attempt without one. */
export const fetchConfig = (
  address: string | undefined,
  writeKey: string,
  own: unknown,
  take: (config: Dict) => void,
  failed: () => void,
  waitMs = 1000,
): void => {
  const ask = async (): Promise<any> => {
    if (isFunction(own)) return own();
    const stop = new AbortController();
    const clock = setTimeout(() => stop.abort(), TIMEOUT_MS);
    const headers = { Accept: 'application/json', Authorization: 'Basic ' + btoa(writeKey + ':') };
    const answer = await fetch(address!, { headers, signal: stop.signal });
    const body = await answer.json();
    clearTimeout(clock);
    if (!answer.ok) throw JSON.stringify(body);
    return body;
  };
  ask()
    .then((answer) => {
      const config = isString(answer) ? parse(answer) : answer;
      if (!isSound(config)) throw 'not a source configuration';
      return config;
    })
    .then(
      (config) => attempt(() => take(config)),
      (cause) => {
        error('no source configuration:', cause);
        failed();
        setTimeout(fetchConfig, waitMs, address, writeKey, own, take, failed, Math.min(waitMs * 2, RETRY_MS_MAX));
      },
    );
};
