#include "common/layout/listing.hpp"

#include <gtest/gtest.h>

namespace bifrost {
namespace {

using layout::RecordKind;

TEST(Listing, ComesBackAsItWasWritten) {
  std::string listing;
  append_child(listing, "mod", RecordKind::kModule);
  append_child(listing, std::string("p\0q", 3), RecordKind::kPackage);
  append_child(listing, "", RecordKind::kNamespace);
  std::vector<Child> children;
  ASSERT_TRUE(decode_listing(listing, children));
  const std::vector<Child> expected = {
      {"mod", RecordKind::kModule}, {std::string("p\0q", 3), RecordKind::kPackage}, {"", RecordKind::kNamespace}};
  EXPECT_EQ(children, expected);
}

TEST(Listing, RefusesWhatIsCutOffOrNoListing) {
  std::string listing;
  append_child(listing, "name", RecordKind::kModule);
  for (std::size_t bytes = 1; bytes < listing.size(); ++bytes) {
    std::vector<Child> children;
    EXPECT_FALSE(decode_listing(std::string_view(listing).substr(0, bytes), children)) << bytes;
  }
  std::vector<Child> children;
  listing[0] = static_cast<char>(RecordKind::kSource);
  EXPECT_FALSE(decode_listing(listing, children));
}

}  // namespace
}  // namespace bifrost
