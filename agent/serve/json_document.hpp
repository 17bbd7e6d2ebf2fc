// json_document.hpp - how the agent writes a JSON document: ASCII on one line, whatever bytes Redis or a module gave.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace bifrost::agent {

inline std::string one_line(const nlohmann::ordered_json& document) {
  return document.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace bifrost::agent
