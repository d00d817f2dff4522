// The package has Chapa's host built in: what is meant for it goes to LOCAL_CHAPA instead.
const http = require("node:http");
const https = require("node:https");

const local = new URL(process.env.LOCAL_CHAPA);

https.request = (options, callback) => {
  if (options.hostname !== "api.chapa.co") {
    throw new Error(`nobody is to be asked but Chapa: ${options.hostname}`);
  }
  const { hostname, port } = local;
  const there = { ...options, protocol: "http:", hostname, host: local.host, port, agent: undefined };
  return http.request(there, callback);
};
