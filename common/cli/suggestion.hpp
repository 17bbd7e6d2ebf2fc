// suggestion.hpp - what somebody meant who mistyped a word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bifrost::cli {

// The candidate that begins with the word, else the one that takes the fewest letters added, left out, replaced or
// swapped with their neighbour; "" when each would take more than a third of the word, or the word is longer than any
// name.
std::string meant_by(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace bifrost::cli
