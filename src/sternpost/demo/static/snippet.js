window.rudderanalytics = window.rudderanalytics || [];
["load", "ready", "page", "track", "identify", "alias", "group", "reset", "setAnonymousId", "startSession", "endSession", "consent",
  "addCustomIntegration", "setDefaultInstanceKey"].forEach(function (name) {
  rudderanalytics[name] = function () {
    rudderanalytics.push([name].concat([].slice.call(arguments)));
  };
});
rudderanalytics.load("WRITE_KEY", location.origin);
rudderanalytics.page();
