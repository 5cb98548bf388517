// RudderStack's own SDK, told where our server is: its configuration, its intake and the Pendo integration.
new window.rudderanalytics.RudderAnalytics();
rudderanalytics.load("WRITE_KEY", location.origin, {
  configUrl: location.origin,
  destSDKBaseURL: `${location.origin}/lib/js-integrations`,
});
rudderanalytics.page();
