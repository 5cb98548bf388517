/** The overloads of the five event calls, told apart as RudderStack's SDK does. */
import { type Dict } from './util';
export type EventType = 'identify' | 'track' | 'page' | 'group' | 'alias';
export interface Call {
    type: EventType;
    /** What the call itself puts into the message. */
    message: Dict;
    /** userId or groupId; null = "not given, keep the present one". */
    id?: any;
    /** Traits of identify and group. */
    traits?: Dict | undefined;
    options: Dict;
    callback?: ((event: Dict) => void) | undefined;
}
export declare const readCall: (type: EventType, given: any[]) => Call;
