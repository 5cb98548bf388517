/** The overloads of the five event calls, told apart as RudderStack's SDK does. */
import { type Dict } from './util';
export interface Call {
    type: 'identify' | 'track' | 'page' | 'group' | 'alias';
    /** userId, groupId or the new id of an alias; null = "not given, keep the present one". */
    id?: string | null | undefined;
    /** The event's or the page's name. */
    name?: any;
    category?: any;
    /** alias: the old id. */
    from?: string | undefined;
    /** Traits of identify and group. */
    traits?: Dict | undefined;
    properties?: any;
    options?: any;
    callback?: ((event: Dict) => void) | undefined;
}
export declare const readCall: (type: Call['type'], given: any[]) => Call;
