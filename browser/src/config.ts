/** The source's configuration: asked from the server until it answers. */

import { log } from './log';
import { isList, isString, request, type Dict } from './util';

const RETRY_MS_MAX = 60000;

export const configAddress = (base: string, extra: Dict): string => {
  const url = new URL(base);
  url.pathname = url.pathname.replace(/(\/sourceConfig)?\/*$/, (_, own) => own || '/sourceConfig/');
  // What the page put into the address wins.
  for (const key in extra) if (!url.searchParams.has(key)) url.searchParams.set(key, extra[key]);
  return url.href;
};

/** Waits until there is one; `failed` is called after each attempt without. */
export const fetchConfig = async (address: string, Authorization: string, own: any, failed: () => void): Promise<Dict> => {
  for (let waitMs = 1000; ; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
    try {
      const answer = own ? await own() : await request(address, { headers: { Authorization } }).then((one) => one.ok && one.json());
      const config = isString(answer) ? JSON.parse(answer) : answer;
      if (config.source.id != null && isList(config.source.destinations)) return config;
      throw answer;
    } catch (cause) {
      log('sourceConfig:', cause);
      failed();
      await new Promise((done) => setTimeout(done, waitMs));
    }
  }
};
