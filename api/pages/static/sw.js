// Shows what we push, and opens its page. It keeps nothing: a fee from yesterday's cache would be a lie.

self.addEventListener("push", (event) => {
  const told = event.data ? event.data.json() : {};
  const shown = { body: told.body, tag: told.tag, data: { url: told.url || "/me" }, icon: "/icon-192.png" };
  event.waitUntil(self.registration.showNotification(told.title || "idlefee", shown));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data.url, self.location.origin);
  const opened = async () => {
    const pages = await self.clients.matchAll({ type: "window" });
    const there = pages.find((page) => page.url === url.href);
    return there ? there.focus() : self.clients.openWindow(url.href);
  };
  event.waitUntil(opened());
});
