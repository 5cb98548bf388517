// The shop: calls the SDK as any page does. What it calls is shown as it stands here.

const GOODS = {
  rope: { product_id: "rope", name: "Mooring rope", price: 30 },
  lantern: { product_id: "lantern", name: "Brass lantern", price: 45 },
  compass: { product_id: "compass", name: "Compass", price: 120 },
};
const PEOPLE = [
  {
    userId: "name123",
    traits: {
      name: "Name Surname",
      first_name: "Name",
      last_name: "Surname",
      email: "name@surname.com",
      createdAt: "Thu Mar 24 2020 17:46:45 GMT+0000 (UTC)",
    },
    groupId: "groupId",
    company: { name: "Company", industry: "Industry", employees: 123, email: "abc@xyz.com" },
  },
  {
    userId: "u-2048",
    traits: { name: "Maris Anker", email: "maris@harbour.example", createdAt: "2024-05-02T08:30:00Z", berth: { pier: "C", number: 12 } },
    groupId: "harbour",
    company: { name: "Harbour Works", industry: "Ferries", employees: 48 },
  },
];

const $ = (id) => document.getElementById(id);
const cart = [];
let shown = [];

function call(method, ...given) {
  window.rudderanalytics[method](...given);
  shown.push(`rudderanalytics.${method}(${given.map((value) => JSON.stringify(value, null, 2)).join(", ")});`);
  $("call").textContent = shown.join("\n");
  document.dispatchEvent(new Event("shop:called"));
}

function does(work) {
  shown = [];
  work();
}

function showCart() {
  $("cart").replaceChildren(...cart.map((one) => line(`${one.name}, ${one.price} USD`)));
  const total = cart.reduce((sum, one) => sum + one.price, 0);
  $("total").textContent = cart.length ? `Total: ${total} USD` : "Your cart is empty.";
  $("checkout").disabled = !cart.length;
}

function line(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}

function button(text, press, quiet = false) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  if (quiet) made.className = "quiet";
  made.addEventListener("click", () => does(press));
  return made;
}

for (const add of document.querySelectorAll("[data-product]")) {
  add.addEventListener("click", () =>
    does(() => {
      const product = GOODS[add.dataset.product];
      cart.push(product);
      showCart();
      call("track", "Product Added", product);
    }));
}

$("checkout").addEventListener("click", () =>
  does(() => {
    const revenue = cart.reduce((sum, one) => sum + one.price, 0);
    call("track", "Order Completed", { revenue, currency: "USD", products: cart.length });
    cart.length = 0;
    showCart();
    $("total").textContent = "Thank you. It will be on the pier.";
    $("cart-title").tabIndex = -1;
    $("cart-title").focus();
  }));

$("people").append(
  ...PEOPLE.map((person) => {
    const made = button(`Sign in as ${person.traits.name}`, () => {
      call("identify", person.userId, person.traits);
      call("group", person.groupId, person.company);
    });
    made.dataset.person = person.userId;
    return made;
  }),
  Object.assign(button("Sign out", () => call("reset"), true), { id: "sign-out" }),
);
showCart();
