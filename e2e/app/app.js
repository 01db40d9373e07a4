// A small application as one writes it for CometChat; only the two hosts differ. Where and as whom comes in the fragment.
"use strict";

const { host, appId, authKey, uid } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

async function start() {
  const settings = new CometChat.AppSettingsBuilder().setRegion("us").subscribePresenceForAllUsers()
    .autoEstablishSocketConnection(true).overrideAdminHost(`${host}/v3.0`).overrideClientHost(`${host}/v3.0`).build();
  await CometChat.init(appId, settings);
  CometChat.addUserListener("list", new CometChat.UserListener({ onUserOnline: mark, onUserOffline: mark }));
  const me = await CometChat.login(uid, authKey);
  document.getElementById("me").textContent = `Logged in as ${me.getName()}`;
  const request = new CometChat.UsersRequestBuilder().setLimit(10).sortBy("name").build();
  for (let page; (page = await request.fetchNext()).length > 0;) {
    for (const user of page) {
      const li = document.createElement("li");
      li.id = user.getUid();
      li.textContent = user.getName();
      li.dataset.status = user.getStatus();
      document.getElementById("members").append(li);
    }
  }
  document.body.dataset.ready = "yes";
}

function mark(user) {
  document.getElementById(user.getUid()).dataset.status = user.getStatus();
}

start().catch((err) => { document.body.dataset.failed = JSON.stringify(err); });
