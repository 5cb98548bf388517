// A stand-in of our own for RudderStack's Pendo integration, under the same bundle contract: it does what the contract says that one does
// (10.1, and the column "RudderStack" of 10.3), so that a test of a defect can be seen to fail on it. No line of it is theirs.

export const OLD_INTEGRATION = `(function () {
  var Pendo = function (config, analytics) { this.key = config.apiKey; this.analytics = analytics; this.name = 'PENDO'; };
  // A trait named id replaces the id (D3), values are passed as they are (D10).
  var part = function (id, traits) { return Object.assign({ id: id }, traits); };
  var visitorId = function (userId, anonymousId) { return userId || '_PENDO_T_' + anonymousId; };
  Pendo.prototype = {
    constructor: Pendo,
    init: function () {
      var agent = (window.pendo = window.pendo || {}), analytics = this.analytics;
      agent._q = [];
      ['initialize', 'identify', 'updateOptions', 'pageLoad', 'track'].forEach(function (name) {
        agent[name] = agent[name] || function () {
          agent._q[name === 'initialize' ? 'unshift' : 'push']([name].concat([].slice.call(arguments)));
        };
      });
      var script = document.createElement('script');
      script.async = true;
      script.src = 'https://cdn.pendo.io/agent/static/' + this.key + '/pendo.js';
      document.head.appendChild(script);
      agent.initialize({
        visitor: part(visitorId(analytics.getUserId(), analytics.getAnonymousId()), analytics.getUserTraits()),
        account: part(analytics.getGroupId(), analytics.getGroupTraits()),
      });
    },
    // The stub is there at once, whatever becomes of the agent (D9).
    isLoaded: function () { return !!window.pendo; },
    isReady: function () { return !!window.pendo; },
    identify: function (element) {
      var message = element.message;
      // An identify of v3 names no group (D2, D5).
      window.pendo.identify({ visitor: part(visitorId(message.userId, message.anonymousId), message.context.traits), account: part(message.groupId) });
    },
    group: function (element) {
      var message = element.message;
      window.pendo.identify({
        visitor: part(visitorId(message.userId, message.anonymousId), message.userId ? message.context.traits : {}),
        account: part(message.groupId || message.anonymousId, message.traits),
      });
    },
    track: function (element) { window.pendo.track(element.message.event, element.message.properties); },
  };
  window.Pendo_RS = { Pendo: Pendo };
})();`;
