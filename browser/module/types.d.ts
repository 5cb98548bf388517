/** The types of the public calls. */
export type Properties = Record<string, unknown>;
export type EventCallback = (event: Properties) => void;
export interface CallOptions extends Properties {
    /** Which destinations get this event: `{All: false, Pendo: true}`. */
    integrations?: Properties;
    anonymousId?: string;
    originalTimestamp?: string;
    /** Merged into the event's context, as are all other keys. */
    context?: Properties;
}
export type StorageType = 'cookieStorage' | 'localStorage' | 'sessionStorage' | 'memoryStorage' | 'none';
export interface StorageOptions {
    type?: StorageType;
    entries?: Record<string, {
        type: StorageType;
    }>;
    cookie?: {
        maxage?: number;
        path?: string;
        domain?: string;
        samesite?: string;
        secure?: boolean;
    };
}
export interface ConsentManagement {
    enabled?: boolean;
    provider?: 'custom' | 'oneTrust' | 'ketch' | 'iubenda';
    allowedConsentIds?: string[];
    deniedConsentIds?: string[];
}
/** Options of `load`. Options of RudderStack's SDK that are not named here are accepted and have no effect. */
export interface LoadOptions extends Properties {
    configUrl?: string;
    getSourceConfig?: () => object | string | Promise<object | string>;
    integrations?: Properties;
    logLevel?: 'LOG' | 'INFO' | 'DEBUG' | 'WARN' | 'ERROR' | 'NONE';
    queueOptions?: {
        minRetryDelay?: number;
        maxRetryDelay?: number;
        backoffFactor?: number;
        backoffJitter?: number;
        /** Events kept while the server cannot be reached. */
        maxItems?: number;
        batch?: {
            maxItems?: number;
            maxSize?: number;
        };
    };
    sessions?: {
        autoTrack?: boolean;
        timeout?: number;
        cutOff?: {
            enabled?: boolean;
            duration?: number;
        };
    };
    storage?: StorageOptions;
    setCookieDomain?: string;
    sameSiteCookie?: 'Strict' | 'Lax' | 'None';
    secureCookie?: boolean;
    sameDomainCookiesOnly?: boolean;
    anonymousIdOptions?: {
        autoCapture?: {
            enabled?: boolean;
            source?: 'segment';
        };
    };
    externalAnonymousIdCookieName?: string;
    consentManagement?: ConsentManagement;
    preConsent?: {
        enabled?: boolean;
        storage?: {
            enabled?: boolean;
            strategy?: 'none' | 'session' | 'anonymousId';
        };
        events?: {
            delivery?: 'immediate' | 'buffer';
        };
    };
    useGlobalIntegrationsConfigInEvents?: boolean;
    autoTrack?: {
        enabled?: boolean;
        options?: CallOptions;
        pageLifecycle?: {
            enabled?: boolean;
            events?: 'Page Unloaded'[];
            options?: CallOptions;
        };
    };
    uaChTrackLevel?: 'none' | 'default' | 'full';
    context?: Properties;
    sourceConfigurationOverride?: {
        destinations: {
            id: string;
            enabled?: boolean;
            config?: Properties;
        }[];
    };
    destinationsQueueOptions?: {
        maxItems?: number;
    };
    sendAdblockPage?: boolean;
    sendAdblockPageOptions?: CallOptions;
    onLoaded?: (analytics: RudderAnalyticsApi) => void;
}
export interface ConsentOptions {
    consentManagement?: ConsentManagement;
    storage?: StorageOptions;
    integrations?: Properties;
    discardPreConsentEvents?: boolean;
    trackConsent?: boolean;
    sendPageEvent?: boolean;
}
export interface ResetOptions {
    entries?: Partial<Record<'userId' | 'userTraits' | 'groupId' | 'groupTraits' | 'sessionInfo' | 'authToken' | 'anonymousId' | 'initialReferrer' | 'initialReferringDomain', boolean>>;
}
type CustomCall = (analytics: RudderAnalyticsApi, logger: Properties, parcel: {
    message: Properties;
}) => void;
/** An integration of the page's own, for a destination named "Custom Device Mode". */
export interface CustomIntegration {
    init?(config: Properties, analytics: RudderAnalyticsApi, logger: Properties): void;
    isReady(analytics: RudderAnalyticsApi, logger: Properties): boolean;
    identify?: CustomCall;
    track?: CustomCall;
    page?: CustomCall;
    group?: CustomCall;
    alias?: CustomCall;
}
type Given = Properties | null;
export interface RudderAnalyticsApi {
    load(writeKey: string, dataPlaneUrl?: string, options?: LoadOptions): void;
    load(writeKey: string, options?: LoadOptions): void;
    ready(callback: () => void): void;
    identify(userId: string | number, traits?: Given, options?: CallOptions | null, callback?: EventCallback): void;
    identify(userId: string | number, traits: Given, callback?: EventCallback): void;
    identify(userId: string | number, callback?: EventCallback): void;
    identify(traits: Given, options?: CallOptions | null, callback?: EventCallback): void;
    identify(traits: Given, callback?: EventCallback): void;
    track(event: string, properties?: Given, options?: CallOptions | null, callback?: EventCallback): void;
    track(event: string, properties: Given, callback?: EventCallback): void;
    track(event: string, callback?: EventCallback): void;
    page(category?: string, name?: string, properties?: Given, options?: CallOptions | null, callback?: EventCallback): void;
    page(category: string, name: string, properties: Given, callback?: EventCallback): void;
    page(category: string, name: string, callback?: EventCallback): void;
    page(name: string, properties?: Given, options?: CallOptions | null, callback?: EventCallback): void;
    page(name: string, properties: Given, callback?: EventCallback): void;
    page(name: string, callback?: EventCallback): void;
    page(properties: Given, options?: CallOptions | null, callback?: EventCallback): void;
    page(properties: Given, callback?: EventCallback): void;
    page(callback: EventCallback): void;
    group(groupId: string | number, traits?: Given, options?: CallOptions | null, callback?: EventCallback): void;
    group(groupId: string | number, traits: Given, callback?: EventCallback): void;
    group(groupId: string | number, callback?: EventCallback): void;
    group(traits: Given, options?: CallOptions | null, callback?: EventCallback): void;
    group(traits: Given, callback?: EventCallback): void;
    alias(to: string | number, from?: string | number | null, options?: CallOptions | null, callback?: EventCallback): void;
    alias(to: string | number, options?: CallOptions | null, callback?: EventCallback): void;
    alias(to: string | number, callback?: EventCallback): void;
    reset(resetAnonymousId?: boolean): void;
    reset(options: ResetOptions): void;
    setAnonymousId(anonymousId?: string): void;
    getAnonymousId(options?: LoadOptions['anonymousIdOptions']): string;
    getUserId(): string;
    getUserTraits(): Properties;
    getGroupId(): string;
    getGroupTraits(): Properties;
    startSession(sessionId?: number): void;
    endSession(): void;
    getSessionId(): number | null;
    consent(options?: ConsentOptions): void;
    setAuthToken(token: string): void;
    setCustomContext(context: Properties): void;
    getCustomContext(): Properties;
    clearCustomContext(): void;
    addCustomIntegration(destinationId: string, integration: CustomIntegration): void;
    setDefaultInstanceKey(writeKey: string): void;
    getAnalyticsInstance(writeKey?: string): RudderAnalyticsApi;
}
export {};
