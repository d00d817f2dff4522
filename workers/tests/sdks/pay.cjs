// Run beside node_modules: `node --require ./redirect.cjs pay.cjs KEY (initialize | verify)`.
const { Chapa } = require("chapa-nodejs");

const [key, step] = process.argv.slice(2);
const sdk = new Chapa({ secretKey: key });
const options = {
  first_name: "Hanna",
  last_name: "Tesfaye",
  email: "hanna@gmail.com",
  phone_number: "0900123456",
  currency: "ETB",
  amount: "1250.5",
  tx_ref: "sdk-1",
  return_url: "https://guzo.test/return",
  customization: { title: "Guzo", description: "Two nights in Lalibela" },
};

const answer = step === "initialize" ? sdk.initialize(options) : sdk.verify({ tx_ref: "sdk-1" });
answer.then((said) => console.log(JSON.stringify(said)));
